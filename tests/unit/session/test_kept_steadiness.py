"""Models are looked at once, and refused or run as they have to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.runners import FloatRunner
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.measures.steadiness import Conduct
from pytest_edgegate.session.measuring.kept_steadiness import FittingOpener, KeptSteadiness
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache

Array = npt.NDArray[Any]
NOISE = np.random.default_rng(1)
SPLIT = make_split("evaluation", np.random.default_rng(0).random((40, 6)).astype(np.float32), None)


class Model(FloatRunner):
    """A function of a batch. ``sizes``: those of the batches that it got."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.inputs = self.outputs = (TensorInfo("x", (-1, 6), "float32"),)
        self.sizes: list[int] = []
        self._function = function

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        self.sizes.append(len(batch[0]))
        return (self._function(batch[0]).astype(np.float32),)


def by_maximum(x: Array) -> Array:
    return np.asarray(x / x.max())


def at_random(x: Array) -> Array:
    return np.asarray(x + NOISE.random(x.shape))


class Openers:
    """Opens one model, in a process for each, with one cache."""

    def __init__(self, folder: Path, model: Model, *, by_range: bool = False) -> None:
        self.folder, self.model, self.opened = folder, model, 0
        self._by_range = by_range

    def fitting(self) -> FittingOpener:
        @contextmanager
        def opening(specimen: Specimen) -> Iterator[Runner]:
            self.opened += 1
            yield self.model

        opener = cast(
            "Opener",
            SimpleNamespace(
                open=opening,
                identity=lambda _: {"model": "a digest"},
                by_range=lambda _: self._by_range,
            ),
        )
        return FittingOpener(opener, KeptSteadiness(opener, Cache(self.folder)), SPLIT)


def specimen(*, file: bool = True, lasting: bool = True) -> Any:
    model = Path("own.tflite") if file else object()
    return SimpleNamespace(model=model, name="own.tflite", title="a file", lasting=lasting)


@pytest.mark.parametrize(
    ("function", "file", "kind", "said"),
    [
        (at_random, True, InferenceError, "own.tflite answers at random"),
        (at_random, False, ConfigurationError, "the model under test answers at random"),
        (by_maximum, False, ConfigurationError, "the model under test depend on the batch"),
    ],
)
def test_what_can_not_be_measured_is_refused_and_later_without_being_opened(
    tmp_path: Path, function: Any, file: bool, kind: type[EdgeGateError], said: str
) -> None:
    openers = Openers(tmp_path, Model(function))
    for opener in (openers.fitting(), openers.fitting()):
        with pytest.raises(kind, match=said), opener.open(specimen(file=file)):
            pytest.fail("the model was opened for measuring")
    assert openers.opened == 1


@pytest.mark.parametrize(
    ("by_range", "conduct"), [(False, Conduct.BY_BATCH), (True, Conduct.BY_RANGE)]
)
def test_a_file_that_depends_on_the_batch_is_run_alone(
    tmp_path: Path, by_range: bool, conduct: Conduct
) -> None:
    model = Model(by_maximum)
    opener = Openers(tmp_path, model, by_range=by_range).fitting()
    with opener.open(specimen()) as runner:
        model.sizes.clear()
        runner.infer((np.ones((4, 6), np.float32),))
    assert model.sizes == [1] * 4
    found = opener.kept.known(specimen(), SPLIT)
    assert found is not None
    assert found.conduct is conduct


def test_a_steady_model_is_looked_at_once_and_run_in_batches(tmp_path: Path) -> None:
    model = Model(lambda x: x * 2)
    openers = Openers(tmp_path, model)
    looked = []
    for _ in range(2):
        with openers.fitting().open(specimen()) as runner:
            looked.append(len(model.sizes))
            model.sizes.clear()
            runner.infer((np.ones((4, 6), np.float32),))
            assert model.sizes == [4]
        model.sizes.clear()
    assert looked[0] > looked[1] == 0


def test_of_a_model_without_a_lasting_digest_nothing_is_written(tmp_path: Path) -> None:
    model = Model(lambda x: x * 2)
    openers = Openers(tmp_path, model)
    opener = openers.fitting()
    for _ in range(2):
        with opener.open(specimen(lasting=False)):
            pass
    looked = len(model.sizes)
    with openers.fitting().open(specimen(lasting=False)):
        pass
    assert len(model.sizes) == 2 * looked
