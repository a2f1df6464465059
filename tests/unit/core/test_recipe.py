"""Recipe steps: what they take, their order, and how they are spelt."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.recipe import PTQ, QAT, STEPS, Cast, Distill, Prune, Step, spell
from pytest_edgegate.core.recipe import as_recipe as recipe_of


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert str(raised.value).startswith("edgegate error: ")
    return str(raised.value)


@pytest.mark.parametrize("kind", STEPS)
def test_every_field_has_a_default_and_nothing_can_be_changed(kind: type[Step]) -> None:
    assert kind() == kind()
    with pytest.raises(FrozenInstanceError):
        kind().samples = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("step", "defaults"),
    [
        (PTQ(), {"samples": 200, "method": "minmax", "per_channel": True}),
        (QAT(), {"epochs": 2, "lr": 1e-5}),
        (Prune(), {"amount": 0.3, "epochs": 2, "lr": 1e-4, "importance": "l1", "round_to": 1}),
        (Distill(), {"temperature": 4.0, "alpha": 0.7, "epochs": 10, "lr": 1e-3}),
        (Cast(), {"dtype": "float16"}),
    ],
)
def test_defaults(step: Step, defaults: dict[str, object]) -> None:
    assert {name: getattr(step, name) for name in defaults} == defaults


@pytest.mark.parametrize("kind", [PTQ, QAT, Prune, Distill])
def test_only_the_first_field_is_positional(kind: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        kind(1, 1)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (PTQ(), "PTQ(samples=200)"),
        (PTQ(500, per_channel=False), "PTQ(samples=500, per_channel=False)"),
        (QAT(lr=0.1), "QAT(lr=0.1)"),
        (Prune(0.5, epochs=2), "Prune(amount=0.5, epochs=2)"),
        (Distill(), "Distill(temperature=4.0)"),
        (Distill(epochs=10), "Distill(epochs=10)"),
        (Distill(epochs=10).for_twice_the_epochs(), "Distill(epochs=20)"),
        (QAT(lr=1e-5).for_twice_the_epochs(), "QAT(epochs=4, lr=1e-05)"),
        (PTQ(method="minmax").for_more_samples(), "PTQ(samples=500, method='minmax')"),
        (copy.deepcopy(Distill(epochs=10)), "Distill(epochs=10)"),
        (pickle.loads(pickle.dumps(Distill(epochs=10))), "Distill(epochs=10)"),
        (Cast("float16"), "Cast(dtype='float16')"),
    ],
)
def test_a_step_is_spelt_as_it_would_be_typed(step: Step, text: str) -> None:
    assert str(step) == repr(step) == text
    assert eval(text, {kind.__name__: kind for kind in STEPS}) == step


def test_the_cache_knows_a_step_by_all_of_its_values() -> None:
    assert Distill() == Distill(epochs=10)
    assert hash(Distill()) == hash(Distill(epochs=10))
    in_full = "Distill(temperature=4.0, alpha=0.7, epochs=10, lr=0.001)"
    assert Distill().in_full == Distill(epochs=10).in_full == in_full
    assert PTQ(50).in_full == "PTQ(samples=50, method='minmax', per_channel=True)"


def test_a_step_shows_what_it_takes() -> None:
    assert [*inspect.signature(Prune).parameters][:2] == ["amount", "epochs"]


def test_a_recipe_is_spelt_as_it_would_be_typed() -> None:
    assert spell((Prune(0.5), PTQ())) == "Prune(amount=0.5), PTQ(samples=200)"
    assert spell(()) == "(no step)"


@pytest.mark.parametrize(
    ("make", "said", "remedy"),
    [
        (lambda: PTQ(0), "PTQ(samples=0): samples is a whole number from 1", "PTQ(samples=200)"),
        (lambda: PTQ(True), "PTQ(samples=True)", "for example PTQ(samples=200)"),
        (lambda: PTQ(cast("int", 2.5)), "PTQ(samples=2.5)", "give a whole number from 1"),
        (lambda: PTQ(cast("int", "minmax")), "PTQ(samples='minmax')", "give a whole number from 1"),
        (lambda: QAT(0), "QAT(epochs=0)", "QAT(epochs=2)"),
        (lambda: QAT(lr=0), "QAT(lr=0): lr has to be positive", "QAT(epochs=2)"),
        (lambda: QAT(lr=float("nan")), "QAT(lr=nan)", "leave it out"),
        (lambda: QAT(lr=float("inf")), "QAT(lr=inf)", "leave it out"),
        (lambda: Prune(importance="l9"), "unknown importance 'l9', did you mean 'l", "l1, l2"),
        (lambda: Prune(0), "Prune(amount=0): the amount is the share", "Prune(0.3)"),
        (lambda: Prune(1), "Prune(amount=1)", "between 0 and 1"),
        (lambda: Prune(50), "Prune(amount=50)", "between 0 and 1"),
        (lambda: Prune(round_to=0), "Prune(round_to=0)", "whole number from 1"),
        (lambda: Prune(epochs=0), "Prune(epochs=0)", "whole number from 1"),
        (lambda: Prune(lr=-1.0), "Prune(lr=-1.0)", "leave it out"),
        (lambda: Distill(0.0), "Distill(temperature=0.0)", "leave it out"),
        (lambda: Distill(alpha=1.5), "Distill(alpha=1.5): alpha is the weight", "from 0 to 1"),
        (lambda: Distill(epochs=0), "Distill(epochs=0)", "whole number from 1"),
        (lambda: Cast("int8"), "Cast('int8'): only float16 is a cast", "PTQ() for int8"),
    ],
)
def test_a_field_that_can_not_be_meant(make: Callable[[], object], said: str, remedy: str) -> None:
    text = refusal(make)
    assert said in text.splitlines()[0]
    assert remedy in text.splitlines()[-1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Prune(cast("float", "0.5")),
        lambda: QAT(lr=cast("float", "1e-5")),
        lambda: Distill(cast("float", None)),
        lambda: Distill(alpha=cast("float", "0.7")),
    ],
)
def test_a_text_where_a_number_is_wanted(make: Callable[[], object]) -> None:
    refusal(make)


@pytest.mark.parametrize(
    "steps",
    [(), (PTQ(),), (Prune(), PTQ()), (Distill(), QAT()), (Distill(), Prune(), Cast())],
)
def test_recipes_that_make_sense(steps: tuple[Step, ...]) -> None:
    assert recipe_of(steps) == steps


@pytest.mark.parametrize(
    ("steps", "better"),
    [
        ((PTQ(), Prune()), "Prune(amount=0.3), PTQ(samples=200)"),
        ((Prune(), Distill()), "Distill(temperature=4.0), Prune(amount=0.3)"),
        ((Cast(), Distill(), Prune()), "Distill(temperature=4.0), Prune(amount=0.3), Cast("),
    ],
)
def test_an_order_that_makes_no_sense(steps: tuple[Step, ...], better: str) -> None:
    text = refusal(lambda: recipe_of(steps))
    assert f"the recipe {spell(steps)} is in an order that makes no sense" in text
    assert text.splitlines()[-1].startswith(f"write it as {better}")


@pytest.mark.parametrize(
    "steps",
    [
        (PTQ(), QAT()),
        (Prune(), Prune(0.5), PTQ()),
        (PTQ(), Cast()),
        (Prune(), Prune(), PTQ(), PTQ()),
    ],
)
def test_the_same_kind_of_work_twice(steps: tuple[Step, ...]) -> None:
    text = refusal(lambda: recipe_of(steps))
    assert f"the recipe {spell(steps)} does one kind of work twice" in text
    assert "keep one of the steps, for example" in text.splitlines()[-1]


def test_what_is_no_step() -> None:
    assert refusal(lambda: recipe_of((PTQ,))).endswith("write PTQ() with brackets")
    text = refusal(lambda: recipe_of(("int8",)))
    assert "'int8' is not a recipe step" in text
    assert text.endswith("recipe steps are PTQ(), QAT(), Prune(), Distill(), Cast()")
