"""Whether answers depend on chance, on the batch, or on being in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.data.lone_runner import LoneRunner
from pytest_edgegate.data.mixed_batches import mixed_batches
from pytest_edgegate.data.runners import FloatRunner
from pytest_edgegate.data.splits import Array, Split, make_split
from pytest_edgegate.measures.steadiness import Conduct, Steadiness, examine

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
NOISE = np.random.default_rng(1)
INPUT = TensorInfo("x", (-1, 6), "float32")


@dataclass
class Model(FloatRunner):
    """A function of a batch, with blocks of a fixed size where *fixed* says so."""

    function: Callable[[Any], Any]
    inputs: tuple[TensorInfo, ...] = (INPUT,)
    outputs: tuple[TensorInfo, ...] = (TensorInfo("y", (-1, 6), "float32"),)
    fixed: int = 0
    sizes: list[int] = field(default_factory=list)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        (x,) = batch
        self.sizes.append(len(x))
        step = self.fixed or len(x)
        parts = []
        for start in range(0, len(x), step):
            block = x[start : start + step]
            more = np.repeat(block[-1:], step - len(block), axis=0)
            parts.append(self.function(np.concatenate([block, more]))[: len(block)])
        return (np.concatenate(parts).astype(np.float32),)


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def by_range(x: Array) -> Array:
    """As DynamicQuantizeLinear does it, with the range of the whole batch."""
    scale = (max(x.max(), 0) - min(x.min(), 0)) / 255
    return np.asarray(np.rint(x / scale) * scale)


def split(x: Any = X) -> Split:
    return make_split("evaluation", x, None)


def conduct(function: Callable[[Any], Any], given: Split | None = None, **what: Any) -> Conduct:
    return examine(Model(function), split() if given is None else given, **what).conduct


DEPENDENT: dict[str, Callable[[Any], Any]] = {
    "batch norm": lambda x: (x - x.mean(0)) / (x.std(0) + 1e-3),
    "maximum": lambda x: x / x.max(),
    "minimum": lambda x: x - x.min(),
    "softmax": lambda x: softmax(x, 0),
    "sum of another sample": lambda x: x + 1e-3 * np.roll(x, 1, axis=0),
    "one output of large ones": lambda x: np.where(np.arange(6) == 0, x * 100, x.mean(0)),
    "some samples": lambda x: np.where(x[:, :1] > 1.0, x - x.mean(0), x),
    "NaN": lambda x: np.where(x.max() > 2.9, x, np.nan),
}


@pytest.mark.parametrize("kind", DEPENDENT)
def test_answers_that_depend_on_the_batch_are_found(kind: str) -> None:
    assert conduct(DEPENDENT[kind]) is Conduct.BY_BATCH


@pytest.mark.parametrize("kind", ["batch norm", "maximum", "softmax"])
@pytest.mark.parametrize("count", [2, 3, 5, 8, 9])
def test_so_they_are_on_few_samples(kind: str, count: int) -> None:
    assert conduct(DEPENDENT[kind], split(X[:count])) is Conduct.BY_BATCH


@pytest.mark.parametrize("fixed", [2, 4, 16])
@pytest.mark.parametrize("kind", ["batch norm", "maximum", "softmax"])
def test_so_they_are_with_a_fixed_batch(kind: str, fixed: int) -> None:
    model = Model(DEPENDENT[kind], (TensorInfo("x", (fixed, 6), "float32"),), fixed=fixed)
    assert examine(model, split()).conduct is Conduct.BY_BATCH


def test_the_largest_value_is_in_one_batch_and_not_in_another() -> None:
    x = np.clip(X, -1, 1)
    x[137, 2] = 1.5  # the only one above 1
    assert conduct(DEPENDENT["maximum"], split(x)) is Conduct.BY_BATCH
    assert conduct(DEPENDENT["minimum"], split(-x)) is Conduct.BY_BATCH


STEADY: dict[str, Callable[[Any], Any]] = {
    "a layer": lambda x: x * 3 + 1,
    "layer norm": lambda x: (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
    "a constant": np.zeros_like,
    "a large constant": lambda x: np.full_like(x, 3e38),
    "huge": lambda x: x * np.float32(3e37),
    "NaN": lambda x: np.full_like(x, np.nan),
    "NaN of a sample": lambda x: np.where(x[:, :1] > 0, x, np.nan),
    "Inf": lambda x: np.where(x > 0, np.inf, -np.inf),
    "a wide range": lambda x: np.exp(10 * x),
    "two neighbours in float32": lambda x: np.full_like(x, 1e6) + 0.0625 * (len(x) > 1),
}


@pytest.mark.parametrize("kind", STEADY)
@pytest.mark.parametrize("count", [1, 2, 8, 200])
def test_healthy_models_are_steady(kind: str, count: int) -> None:
    with np.errstate(all="ignore"):
        assert conduct(STEADY[kind], split(X[:count])) is Conduct.STEADY


@pytest.mark.parametrize("count", [1, 200])
@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_answers_at_random_are_found_before_others(count: int, size: float) -> None:
    def noisy(x: Any) -> Any:
        return x + size * NOISE.random(x.shape) + x.mean(0)

    assert conduct(noisy, split(X[:count])) is Conduct.RANDOM


def test_answers_at_random_are_no_matter_of_another_runtime() -> None:
    model = Model(lambda x: x + NOISE.random(x.shape), (TensorInfo("x", (1, 6), "float32"),))
    assert examine(model, split(), repeats=False) == Steadiness()
    assert model.sizes == []
    several = Model(STEADY["a layer"])
    assert examine(several, split(), repeats=False) == Steadiness()
    assert several.sizes == [8] * 3 + [1] * 8


def test_another_answer_alone_is_no_fault() -> None:
    assert conduct(lambda x: x + 0.1 * (len(x) > 1)) is Conduct.BY_KERNELS
    assert conduct(lambda x: x + 1e-4 * (len(x) > 1)) is Conduct.STEADY


def test_a_step_of_an_integer_output_is_no_difference() -> None:
    def rounded(steps: float) -> Conduct:
        made = (TensorInfo("y", (-1, 6), "int8", scales=(0.1,), zero_points=(0,)),)
        model = Model(lambda x: x + 0.1 * steps * (x.mean() > X[:8].mean()), outputs=made)
        return examine(model, split()).conduct

    assert {rounded(1), rounded(2.5)} == {Conduct.STEADY, Conduct.BY_BATCH}


def test_a_float_output_has_no_step_whatever_it_was_made_of() -> None:
    made = (TensorInfo("y", (-1, 6), "float32", scales=(0.1,), zero_points=(0,)),)
    model = Model(lambda x: x + 0.05 * (x.mean() > X[:8].mean()), outputs=made)
    assert examine(model, split()).conduct is Conduct.BY_BATCH


class Two(Model):
    """A model whose second output, or second input, differs from the first."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        x = batch[0]
        return tuple(np.asarray(x + by * x.mean(0), np.float32) for by in (1e-3, 0.1, 1e-2))


def test_the_output_that_differs_most_is_named() -> None:
    outputs = tuple(TensorInfo(name, (-1, 6), "float32") for name in "abc")
    found = examine(Two(STEADY["a layer"], outputs=outputs), split())
    assert (found.conduct, found.output) == (Conduct.BY_BATCH, "b")


def test_one_input_with_a_batch_of_1_does_not_make_a_model_one_of_single_samples() -> None:
    inputs = (INPUT, TensorInfo("z", (1, 6), "float32"))
    outputs = tuple(TensorInfo(name, (-1, 6), "float32") for name in "abc")
    model = Two(STEADY["a layer"], inputs, outputs)
    assert examine(model, split({"x": X, "z": X})).conduct is Conduct.BY_BATCH


def test_nan_beside_a_constant_has_no_share_of_its_range() -> None:
    found = examine(Model(lambda x: np.full_like(x, 1 if x.max() > 2.9 else np.nan)), split())
    assert found.conduct is Conduct.BY_BATCH
    assert found.apart == float("inf")


def test_the_number_of_a_class_has_no_step() -> None:
    labels = (TensorInfo("y", (-1,), "int64"),)
    model = Model(lambda x: (x[:, 0] > x[:, 0].mean()).astype(int), outputs=labels)
    assert examine(model, split()).conduct is Conduct.BY_BATCH


def test_dynamic_quantisation_is_told_from_other_dependence() -> None:
    asked = []

    def says_so() -> bool:
        asked.append(True)
        return True

    assert conduct(by_range, by_range=says_so) is Conduct.BY_RANGE
    assert conduct(by_range) is Conduct.BY_BATCH
    assert conduct(lambda x: softmax(by_range(x), 0), by_range=says_so) is Conduct.BY_BATCH
    assert len(asked) == 2
    assert conduct(STEADY["a layer"], by_range=says_so) is Conduct.STEADY
    assert len(asked) == 2


def test_a_file_that_takes_one_sample_only_depends_on_nothing() -> None:
    def baked(x: Any) -> Any:
        if len(x) > 1:
            raise InferenceError("a Reshape of 1 sample got several", "give one")
        return x

    model = Model(baked)
    assert examine(LoneRunner(model), split()).conduct is Conduct.STEADY
    assert model.sizes == [8] + [1] * 24  # it is asked again, and not in other batches


def test_a_model_with_a_batch_of_1_is_only_asked_again() -> None:
    model = Model(lambda x: x, (TensorInfo("x", (1, 6), "float32"),), fixed=1)
    assert examine(model, split()).conduct is Conduct.STEADY
    assert len(model.sizes) == 3


def test_it_costs_a_small_part_of_a_pass() -> None:
    x = np.zeros((6400, 6), np.float32)
    model = Model(lambda x: x)
    examine(model, split(x))
    assert sum(model.sizes) <= len(x) * 0.04


@pytest.mark.parametrize(("values", "size"), [(1_000, 32), (50_000, 12), (200_000, 4)])
def test_large_samples_are_fed_in_smaller_batches(values: int, size: int) -> None:
    batch = np.broadcast_to(np.float32(1), (32, values))
    drawn = mixed_batches(
        make_split("evaluation", [batch, batch], "1"), (TensorInfo("x", (-1, values), "float32"),)
    )
    assert drawn.size == len(drawn.first[0]) == size


@pytest.mark.parametrize("size", [1, 3, 32])
def test_the_first_batches_of_a_stream_are_taken(size: int) -> None:
    batches = [X[at : at + size] for at in range(0, 96, size)]
    model = Model(DEPENDENT["batch norm"])
    found = examine(model, make_split("evaluation", batches, "1")).conduct
    assert found is (Conduct.STEADY if size == 1 else Conduct.BY_BATCH)
    if size == 1:
        assert model.sizes == [1] * 8 * 3  # enough samples to see chance in an answer


def test_a_stream_of_one_batch_has_other_neighbours_too() -> None:
    stream = make_split("evaluation", [X[:4]], "1")
    assert conduct(DEPENDENT["softmax"], stream) is Conduct.BY_BATCH


def test_a_stream_whose_samples_change_their_shape_is_taken_up_to_there() -> None:
    stream = make_split("evaluation", [X[:4], X[:4, :3]], "1")
    free = (TensorInfo("x", (-1, -1), "float32"),)
    assert examine(Model(lambda x: x, free), stream).conduct is Conduct.STEADY


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="do not fit the input 'x'"):
        examine(Model(lambda x: x), split(X[:, :3]))


def test_the_extremes_of_each_input_are_drawn() -> None:
    other = np.zeros((200, 1), np.float32)
    other[150], other[151] = 9, -9
    inputs = (INPUT, TensorInfo("z", (-1, 1), "float32"))
    drawn = mixed_batches(split({"x": X, "z": other}), inputs)
    assert drawn.size == 8
    assert drawn.first[0].max() == X.max()
    assert drawn.first[0].min() == X.min()
    assert {9.0, -9.0} <= set(drawn.first[1].ravel().tolist())
    (without, kept), (with_them, same) = drawn.others
    assert without[0].max() < X.max()
    assert {9.0, -9.0} <= set(with_them[1].ravel().tolist())
    assert sorted([*kept.tolist(), *same.tolist()]) == list(range(8))
    for arrays, places in drawn.others:
        for one, each in zip(drawn.first, arrays, strict=True):
            assert (one[places] == each[places]).all()


def test_other_neighbours_are_no_samples_of_the_first_batch() -> None:
    for given in (split(), make_split("evaluation", [X[:8], X[8:]], "1")):
        drawn = mixed_batches(given, (INPUT,))
        first = {each.tobytes() for each in drawn.first[0]}
        for (array,), _ in drawn.others:
            assert {each.tobytes() for each in array} - first


def test_a_small_batch_has_no_more_extremes_than_places() -> None:
    other = np.zeros((9, 1), np.float32)
    other[4], other[5] = 9, -9
    parts = [{"x": X[at : at + 3], "z": other[at : at + 3]} for at in (0, 3, 6)]
    inputs = (INPUT, TensorInfo("z", (-1, 1), "float32"))
    drawn = mixed_batches(make_split("evaluation", parts, "1"), inputs)
    assert drawn.size == len(drawn.first[0]) == 3


def test_what_was_found_is_said_in_words() -> None:
    assert Steadiness(Conduct.BY_BATCH, "y", 0.123, 8).difference == (
        "the output 'y' differs by 12 % of its range"
    )
    assert "0.0012 %" in Steadiness(Conduct.BY_BATCH, "y", 1.23e-5, 8).difference
    assert "NaN or Inf" in Steadiness(Conduct.BY_BATCH, "y", float("inf"), 8).difference
    assert Steadiness().note == ""
    assert "its dynamic quantisation takes the range" in Steadiness(Conduct.BY_RANGE, "y").note
    assert "one sample alone and in a batch" in Steadiness(Conduct.BY_KERNELS, "y").note


def test_who_is_measured_alone() -> None:
    alone = [each for each in Conduct if Steadiness(each).alone]
    assert alone == [Conduct.BY_BATCH, Conduct.BY_RANGE, Conduct.BY_KERNELS]
