"""Answers of slow models are remembered, and never another sample's or another model's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.runners import FloatRunner
from pytest_edgegate.session.measuring.remembered import (
    AnswerMemory,
    RememberingOpener,
)
from pytest_edgegate.session.measuring.specimen import Specimen

Batch = tuple[Any, ...]
SAMPLES = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


class Doubling(FloatRunner):
    """Doubles its input, on a clock that it moves."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.inputs = (TensorInfo("x", (-1, 3), "float32"),)
        self.outputs = (TensorInfo("y", (-1, 3), "float32"),)
        self.fed: list[int] = []
        self._clock, self._seconds = clock, seconds

    def infer(self, batch: Batch) -> Batch:
        self.fed.append(len(batch[0]))
        self._clock.seconds += self._seconds * len(batch[0])
        return (np.asarray(batch[0], np.float32) * 2,)


class Clock:
    """Recognising a batch takes a second of its own."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


class Models:
    """Opens one model, and counts how often."""

    def __init__(self, runner: Doubling) -> None:
        self.runner, self.opened, self.examined = runner, 0, True

    def is_examined(self, specimen: Specimen, *, repeats: bool = True) -> bool:
        return self.examined

    def identity(self, specimen: Specimen) -> dict[str, object]:
        return {"model": specimen.digest}

    @contextmanager
    def open(self, specimen: Specimen, *, repeats: bool = True) -> Iterator[Doubling]:
        self.opened += 1
        yield self.runner


def specimen(digest: str = "a") -> Specimen:
    return Specimen(model=None, digest=digest, runtime="fake")  # type: ignore[arg-type]


@pytest.fixture
def make() -> Callable[..., tuple[RememberingOpener, Models]]:
    def made(seconds: float = 100.0, most: int = 1000) -> tuple[RememberingOpener, Models]:
        clock = Clock()
        models = Models(Doubling(clock, seconds))
        opener: Any = RememberingOpener(models, AnswerMemory(most, clock), None)  # type: ignore[arg-type]
        return opener, models

    return made


def ask(opener: RememberingOpener, *batches: Any, digest: str = "a", **how: Any) -> list[Any]:
    with opener.open(specimen(digest), **how) as runner:
        return [runner.infer((each,))[0] for each in batches]


def test_a_slow_model_is_not_opened_for_samples_that_it_has_answered(make: Any) -> None:
    opener, models = make()
    first = ask(opener, SAMPLES[:4], SAMPLES[4:])
    again = ask(opener, SAMPLES[[5, 0, 3]], SAMPLES[1:2])  # in another order and batch
    assert (models.opened, models.runner.fed) == (1, [4, 4])
    np.testing.assert_array_equal(again[0], SAMPLES[[5, 0, 3]] * 2)
    np.testing.assert_array_equal(np.concatenate(first), SAMPLES * 2)


def test_a_model_is_opened_where_its_answers_to_a_split_were_not_examined(make: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES)
    models.examined = False
    ask(opener, SAMPLES)
    assert (models.opened, models.runner.fed) == (2, [8])


def test_one_unknown_sample_runs_the_whole_batch(make: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES[:4])
    [found] = ask(opener, SAMPLES[2:6])
    assert (models.opened, models.runner.fed) == (2, [4, 4])
    np.testing.assert_array_equal(found, SAMPLES[2:6] * 2)


def test_another_model_is_asked(make: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES)
    ask(opener, SAMPLES, digest="b")
    assert models.runner.fed == [8, 8]


@pytest.mark.parametrize(
    "other",
    [SAMPLES.astype(np.float64), np.frombuffer(SAMPLES.tobytes(), np.int32).reshape(8, 3)],
    ids=["of other bytes", "of the same bytes"],
)
def test_samples_of_another_dtype_are_others(make: Any, other: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES)
    ask(opener, other)
    assert models.runner.fed == [8, 8]


def test_what_is_recognised_as_slowly_as_answered_is_asked_again(make: Any) -> None:
    opener, models = make(seconds=0.1)
    ask(opener, SAMPLES)
    ask(opener, SAMPLES)
    assert (models.opened, models.runner.fed) == (2, [8, 8])


def test_a_pass_that_goes_by_time_runs_the_model_and_its_answers_are_kept(make: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES, SAMPLES, timed=True)
    ask(opener, SAMPLES)
    ask(opener, SAMPLES, timed=True)
    assert (models.opened, models.runner.fed) == (2, [8, 8, 8])


def test_no_more_than_its_bytes_are_kept(make: Any) -> None:
    opener, models = make(most=SAMPLES[:4].nbytes)
    ask(opener, SAMPLES[:4], SAMPLES[4:])
    ask(opener, SAMPLES[:4])
    assert models.runner.fed == [4, 4, 4]


def test_an_answer_is_its_own(make: Any) -> None:
    opener, _ = make()
    [found] = ask(opener, SAMPLES)
    found[:] = 0
    [again] = ask(opener, SAMPLES)
    again[:] = 0
    np.testing.assert_array_equal(ask(opener, SAMPLES)[0], SAMPLES * 2)


def test_objects_have_no_bytes_to_recognise_them_by(make: Any) -> None:
    opener, models = make()
    ask(opener, SAMPLES.astype(object))
    ask(opener, SAMPLES.astype(object))
    assert models.runner.fed == [8, 8]
