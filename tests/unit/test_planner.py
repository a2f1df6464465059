"""Plans over made-up moves: the shortest chain, its completion, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import LoadedModel, Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import PTQ, QAT, Cast, Distill, Prune, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target, make_plan

NET, LITE, ENGINE = ("net", "float32"), ("lite", "float32"), ("engine", "float32")
LITE8, ENGINE8 = ("lite", "int8"), ("engine", "int8")


@dataclass(frozen=True)
class Model:
    node: tuple[str, str] = NET
    name: str = "model"
    path: Path | None = Path("model.net")
    runtime: str = ""
    note: str = ""

    def digest(self) -> str:
        return "0" * 64

    def load(self) -> LoadedModel:
        raise AssertionError("a plan loads no model")


@dataclass(frozen=True)
class Moves:
    """A transform that is never run."""

    moves: Sequence[Move]
    refused: type[Step] | None = None
    packages: Sequence[str] = ()
    version: int = 1

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        if self.refused is not None and isinstance(step, self.refused):
            return f"{step} is not done here", "leave it out"
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        raise AssertionError("a plan builds nothing")


def board(**what: Any) -> Target:
    given = Target(
        name="board",
        title="a board",
        machine="chip",
        formats=("lite",),
        dtypes=("int8",),
        io_dtypes=(),
        default_io="int8",
        complete_with_ptq=True,
        static_shape=True,
        per_channel_dense=True,
        runtimes=MappingProxyType({}),
    )
    return replace(given, **what)


HOST = board(name="host", dtypes=("float32", "float16", "int8"), complete_with_ptq=False)
QUANTISE = Moves((Move(NET, PTQ, LITE8), Move(NET, None, LITE), Move(NET, QAT, LITE8)))
PRUNER = Moves((Move(NET, Prune, NET), Move(NET, Distill, NET)))
ALL = {"quantise": QUANTISE, "prune": PRUNER}


def legs(*given: Any, **more: Any) -> list[tuple[str, object]]:
    plan = make_plan(*given, **more)
    return [(leg.transform, leg.step) for leg in plan.legs]


def refusal(model: Model, recipe: tuple[Step, ...], target: Target, transforms: Any) -> str:
    with pytest.raises(UnsupportedError) as raised:
        make_plan(model, recipe, target, transforms)
    assert str(raised.value).startswith("edgegate error: ")
    assert str(raised.value).endswith(raised.value.remedy)
    return str(raised.value)


def test_one_move() -> None:
    plan = make_plan(Model(), (PTQ(50),), board(), ALL)
    assert [(leg.transform, leg.step) for leg in plan.legs] == [("quantise", PTQ(50))]
    assert (plan.format, plan.dtype, plan.recipe) == ("lite", "int8", (PTQ(50),))
    assert (plan.note, plan.target) == ("", "board")


def test_steps_are_done_in_their_order() -> None:
    recipe = (Distill(), Prune(0.5), PTQ())
    assert legs(Model(), recipe, board(), ALL) == [
        ("prune", Distill()),
        ("prune", Prune(0.5)),
        ("quantise", PTQ()),
    ]


def test_a_chain_of_two_legs_with_one_step() -> None:
    chain = {"export": Moves((Move(NET, None, ENGINE),)), "ptq": Moves((Move(ENGINE, PTQ, LITE8),))}
    assert legs(Model(), (PTQ(),), board(), chain) == [("export", None), ("ptq", PTQ())]


def test_an_export_may_follow_the_step() -> None:
    chain = {
        "ptq": Moves((Move(NET, PTQ, ENGINE8),)),
        "export": Moves((Move(ENGINE8, None, LITE8),)),
    }
    assert legs(Model(), (PTQ(),), board(), chain) == [("ptq", PTQ()), ("export", None)]


def test_the_shortest_chain_wins_whatever_the_order_of_the_backends() -> None:
    long = {
        "a-long": Moves((Move(NET, None, ENGINE), Move(ENGINE, PTQ, LITE8))),
        "z-short": Moves((Move(NET, PTQ, LITE8),)),
    }
    for transforms in (long, dict(reversed(long.items()))):
        assert legs(Model(), (PTQ(),), board(), transforms) == [("z-short", PTQ())]


def test_equal_chains_are_told_apart_by_name() -> None:
    same = Moves((Move(NET, PTQ, LITE8),))
    assert legs(Model(), (PTQ(),), board(), {"b": same, "a": same}) == [("a", PTQ())]


def test_moves_in_a_circle_end() -> None:
    circle = Moves((Move(NET, None, ENGINE), Move(ENGINE, None, NET)))
    assert "nothing installed makes of it" in refusal(Model(), (), board(), {"circle": circle})


@pytest.mark.parametrize("recipe", [(), (Prune(0.5),), (Distill(), Prune())])
def test_a_recipe_is_completed_with_ptq(recipe: tuple[Step, ...]) -> None:
    plan = make_plan(Model(), recipe, board(), ALL)
    assert plan.recipe == (*recipe, PTQ())
    assert plan.dtype == "int8"
    assert plan.note == f"completed with {PTQ()}: board takes int8 only"


@pytest.mark.parametrize("recipe", [(PTQ(7),), (QAT(),), (Prune(), QAT())])
def test_a_recipe_that_ends_in_int8_is_left_as_it_is(recipe: tuple[Step, ...]) -> None:
    plan = make_plan(Model(), recipe, board(), ALL)
    assert plan.recipe == recipe
    assert plan.note == ""


def test_nothing_is_completed_where_the_target_takes_floats() -> None:
    plan = make_plan(Model(), (), HOST, ALL)
    assert (plan.recipe, plan.note, plan.dtype) == ((), "", "float32")


def test_a_model_that_is_there_already_needs_no_leg() -> None:
    plan = make_plan(Model(LITE8), (), board(), ALL)
    assert plan.legs == ()
    assert (plan.format, plan.dtype) == LITE8


def test_a_finished_file_is_not_compressed_again() -> None:
    text = refusal(Model(LITE8, path=Path("m.lite")), (PTQ(),), board(), ALL)
    assert "model is a finished int8 file" in text
    assert text.endswith('gate it as it is: edge_gate.check("m.lite", ...)')


def test_a_step_that_no_backend_does_is_named_with_what_would_work() -> None:
    text = refusal(Model(), (Prune(), PTQ()), board(), {"quantise": QUANTISE})
    assert "no installed backend can do Prune(amount=0.3) on the net model model" in text
    assert text.endswith("what would work: PTQ(samples=200), QAT(epochs=2)")


def test_a_step_that_ends_in_another_dtype_than_the_targets() -> None:
    cast = {**ALL, "cast": Moves((Move(NET, Cast, ("lite", "float16")),))}
    assert make_plan(Model(), (Cast(),), HOST, cast).dtype == "float16"
    text = refusal(Model(), (Cast(),), board(), cast)
    assert "Cast(dtype='float16')" in text
    assert "PTQ(samples=200)" in text.splitlines()[-1]


def test_a_format_that_leads_nowhere_is_told_which_ones_do() -> None:
    text = refusal(Model(("weights", "float32")), (PTQ(),), board(), ALL)
    assert "model.net is a weights model in float32, and board takes a lite model" in text
    assert text.endswith("give what model.net was made from, as a net model")


def test_what_leads_elsewhere_is_not_offered() -> None:
    both = {**ALL, "other": Moves((Move(("page", "float32"), PTQ, ENGINE8),))}
    text = refusal(Model(("weights", "float32")), (PTQ(),), board(), both)
    assert text.endswith("as a net model")


def test_no_backend_at_all() -> None:
    text = refusal(Model(), (PTQ(),), board(), {})
    assert "which nothing installed makes of it" in text
    assert text.endswith("install what makes a lite model: pip install 'pytest-edgegate[all]'")


@pytest.mark.parametrize("recipe", [(), (PTQ(),), (QAT(),), (Prune(), QAT()), (Cast(),)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_format_without_a_road_is_told_so_whatever_the_recipe(
    dtype: str, recipe: tuple[Step, ...]
) -> None:
    """No step is blamed, and no way is named that ends here."""
    text = refusal(Model(("engine", dtype), path=Path("a.engine")), recipe, board(), ALL)
    assert f"a.engine is an engine model in {dtype}, and board takes a lite model" in text
    assert text.endswith("give what a.engine was made from, as a net model")


def test_a_dtype_that_ends_here_is_offered_the_one_that_does_not() -> None:
    finished = Model(("engine", "int8"), path=Path("a.engine"))
    text = refusal(finished, (PTQ(),), board(), {**ALL, "more": Moves((Move(ENGINE, PTQ, LITE8),))})
    assert "a.engine is an engine model in int8" in text
    assert text.endswith("as an engine model or a net model")


def test_formats_are_told_as_users_know_them() -> None:
    onnx = Moves((Move(("keras", "float32"), PTQ, ("onnx", "int8")),))
    given = Model(("litert", "float32"), path=Path("a.tflite"))
    target = board(name="onnx-cpu", formats=("onnx",), complete_with_ptq=False)
    assert refusal(given, (PTQ(),), target, {"onnx": onnx}) == (
        "edgegate error: a.tflite is a litert model in float32, and onnx-cpu takes an .onnx file, "
        "which nothing installed makes of it\n"
        "give what a.tflite was made from, as a Keras model (.keras)"
    )


def test_an_int8_program_is_converted_as_it_is() -> None:
    program = {"ptq": QUANTISE, "export": Moves((Move(("net", "int8"), None, LITE8),))}
    text = refusal(Model(("net", "int8")), (PTQ(),), board(), program)
    assert "is a finished int8 file" in text
    assert text.endswith("convert it without a step: edge_compress()")
    assert make_plan(Model(("net", "int8")), (), board(), program).dtype == "int8"


def test_what_ends_elsewhere_is_no_way_to_train() -> None:
    other = Moves((Move(("page", "float32"), QAT, ("engine", "int8")),))
    text = refusal(Model(LITE), (QAT(),), board(), {**TRAINABLE, "page": other})
    assert "return the net model that it was exported from" in text


def test_ptq_is_offered_only_where_it_leads_to_the_target() -> None:
    learn = {"learn": LEARN, "export": Moves((Move(LITE, None, LITE),))}
    text = refusal(Model(LITE), (QAT(),), board(), learn)
    assert text.endswith("return the net model that it was exported from as edge_model")


def test_a_backend_refuses_before_any_work() -> None:
    shy = {"quantise": replace(QUANTISE, refused=PTQ)}
    text = refusal(Model(), (PTQ(9),), board(), shy)
    assert text == "edgegate error: PTQ(samples=9) is not done here\nleave it out"


def test_the_target_of_a_float_export_asks_for_nothing_else() -> None:
    wanted = float_target(board(io_dtypes=("uint8",)), "lite")
    plan = make_plan(Model(), (), wanted, ALL)
    assert [(leg.transform, leg.step) for leg in plan.legs] == [("quantise", None)]
    assert (plan.format, plan.dtype, plan.note) == ("lite", "float32", "")
    assert wanted.io_dtypes == ()


def test_targets_of_one_format_share_their_float_exports() -> None:
    one, other = board(), replace(board(), per_channel_dense=False, default_io="uint8")
    assert float_target(one, "lite") == float_target(other, "lite")


BOTH = {
    "a-lite": Moves((Move(NET, None, LITE), Move(LITE, PTQ, LITE8))),
    "b-engine": Moves((Move(NET, None, ENGINE), Move(ENGINE, PTQ, ENGINE8))),
}


def test_of_several_formats_the_one_that_the_target_prefers_for_the_model() -> None:
    either = board(formats=("lite", "engine"))
    assert legs(Model(), (PTQ(),), either, BOTH) == [("a-lite", None), ("a-lite", PTQ())]
    choosing = replace(either, preferred={"net": "engine", "lite": "lite"})
    assert legs(Model(), (PTQ(),), choosing, BOTH) == [("b-engine", None), ("b-engine", PTQ())]
    assert legs(Model(LITE), (PTQ(),), choosing, BOTH) == [("a-lite", PTQ())]


def test_a_preferred_format_that_can_not_be_reached_is_no_wall() -> None:
    choosing = board(formats=("lite", "engine"), preferred={"net": "engine"})
    assert legs(Model(), (PTQ(),), choosing, {"a-lite": BOTH["a-lite"]}) == [
        ("a-lite", None),
        ("a-lite", PTQ()),
    ]


def test_a_finished_file_stays_what_it_is_whatever_is_preferred() -> None:
    choosing = board(formats=("lite", "engine"), preferred={"net": "engine"})
    assert make_plan(Model(LITE8), (), choosing, BOTH).legs == ()


def test_what_a_target_warns_of_is_said_of_that_dtype_only() -> None:
    slow = replace(HOST, cautions={"int8": "the chip has no int8"})
    assert make_plan(Model(), (PTQ(),), slow, ALL).note == "the chip has no int8"
    assert make_plan(Model(), (), slow, ALL).note == ""
    completed = board(cautions={"int8": "the chip has no int8"})
    assert make_plan(Model(), (), completed, ALL).note.endswith("; the chip has no int8")
    assert not float_target(completed, "lite").cautions


LEARN = Moves((Move(NET, Prune, NET), Move(NET, Distill, NET), Move(NET, QAT, LITE8)))
TRAINABLE = {"learn": LEARN, "quantise": Moves((Move(LITE, PTQ, LITE8), Move(NET, None, LITE)))}


@pytest.mark.parametrize(
    ("recipe", "nodes"),
    [
        ((Prune(), PTQ()), [NET, LITE, LITE8]),
        ((Prune(), QAT()), [NET, LITE8]),
        ((Distill(), QAT()), [NET, LITE8]),
        ((Distill(), Prune(), PTQ()), [NET, NET, LITE, LITE8]),
    ],
)
def test_steps_that_train_come_before_the_format_is_left(
    recipe: tuple[Step, ...], nodes: list[tuple[str, str]]
) -> None:
    plan = make_plan(Model(), recipe, board(), TRAINABLE)
    assert [leg.move.result for leg in plan.legs] == nodes
    assert [leg.step for leg in plan.legs if leg.step is not None] == list(recipe)


@pytest.mark.parametrize(
    ("recipe", "what"),
    [
        ((QAT(),), "QAT(epochs=2) trains, and the lite graph of model"),
        ((Prune(), PTQ()), "Prune(amount=0.3) trains, and the lite graph of model"),
        ((Prune(), QAT()), "Prune(amount=0.3), QAT(epochs=2) trains"),
    ],
)
def test_a_format_without_weights_to_train_is_refused_with_the_reason(
    recipe: tuple[Step, ...], what: str
) -> None:
    text = refusal(Model(LITE), recipe, board(), TRAINABLE)
    assert what in text
    assert "the lite graph of model has no weights that a training could change" in text
    assert text.endswith(
        "return the net model that it was exported from as edge_model; PTQ() takes it as it is"
    )


def test_a_student_has_to_be_trainable_and_a_teacher_has_not() -> None:
    text = refusal(Model(LITE), (Distill(), PTQ()), board(), TRAINABLE)
    assert "as a teacher it can stay as it is" in text
    assert text.endswith("return the net model that it was exported from as edge_student")
