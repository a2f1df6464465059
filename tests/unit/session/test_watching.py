"""The batches of a pass: what their size or their number changes, and what it costs to look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.runners import FloatRunner
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.steadiness import Conduct, Steadiness
from pytest_edgegate.session.measuring.watching import WatchedRunner

X = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)


@dataclass
class Model(FloatRunner):
    function: Callable[[Any], Any]
    inputs: tuple[TensorInfo, ...] = (TensorInfo("x", (-1, 6), "float32"),)
    outputs: tuple[TensorInfo, ...] = (TensorInfo("y", (-1, 6), "float32"),)
    sizes: list[int] = field(default_factory=list)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.sizes.append(len(batch[0]))
        return (np.asarray(self.function(batch[0]), np.float32),)


def watch(
    model: Model, *sizes: int, by_range: bool = False, repeats: bool = True
) -> tuple[list[Steadiness], list[Array]]:
    found: list[Steadiness] = []
    runner = WatchedRunner(model, found.append, lambda: by_range, repeats=repeats)
    made = [runner.infer((X[:size],))[0] for size in sizes]
    runner.settle()
    return found, made


def large(x: Array) -> bool:
    return len(x) > 100


BY_BATCH: dict[str, Callable[[Any], Any]] = {
    "batch norm": lambda x: (x - x.mean(0)) / x.std(0) if large(x) else x,
    "a sum that grows": lambda x: x + 1e-6 * len(x) * x.max(0),
    "a maximum": lambda x: x / x.max() if large(x) else x,
}


@pytest.mark.parametrize("kind", BY_BATCH)
def test_what_only_a_large_batch_shows(kind: str) -> None:
    found, made = watch(Model(BY_BATCH[kind]), 500)
    assert found[0].conduct is Conduct.BY_BATCH
    assert found[0].batch == 500
    alone = np.concatenate([BY_BATCH[kind](X[at : at + 1]) for at in range(500)])
    np.testing.assert_array_equal(made[0], alone.astype(np.float32))


def test_ranges_of_a_whole_batch_are_told_from_it() -> None:
    found, _ = watch(Model(BY_BATCH["a maximum"]), 500, by_range=True)
    assert found[0].conduct is Conduct.BY_RANGE


def test_what_its_place_in_a_batch_changes() -> None:
    found, made = watch(Model(lambda x: x * (np.arange(len(x)) < 40)[:, None]), 500, 500)
    assert [each.conduct for each in found] == [Conduct.BY_KERNELS]
    np.testing.assert_array_equal(made[1], X[:500])


def test_kernels_that_differ_a_little_are_no_fault() -> None:
    model = Model(lambda x: x + 1e-4 * large(x))
    found, _ = watch(model, 500)
    assert found == [Steadiness()]
    assert model.sizes == [500, 1, 1, 1, 1, 500, 1, 1, 1, 1]


def test_a_healthy_model_is_looked_at_by_a_few_calls() -> None:
    model = Model(lambda x: x * 3)
    found, _ = watch(model, 8, 16, 20, 40, 64, 500)
    assert found == [Steadiness()]
    assert [each for each in model.sizes if each > 1] == [8, 16, 20, 40, 64, 500]
    assert model.sizes.count(1) == 4 * (3 + 1)  # at 16, 64 and 500, and at the end


def test_small_batches_were_looked_at_before() -> None:
    model = Model(lambda x: x)
    assert watch(model, 8, 8)[0] == []
    assert model.sizes == [8, 8]


def test_state_that_adds_up_over_a_pass() -> None:
    def counted(x: Array) -> Array:
        calls.append(1)
        return np.asarray(x + 2e-6 * len(calls))

    calls: list[int] = []
    assert watch(Model(counted), *[100] * 30)[0][0].conduct is Conduct.RANDOM
    assert watch(Model(counted), *[100] * 30, repeats=False)[0] == [Steadiness()]
