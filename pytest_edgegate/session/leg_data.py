"""The data as transforms request it, with warnings about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.ports import ChildProcess
from pytest_edgegate.core.progress import CALIBRATING, Progress, counted, silent
from pytest_edgegate.core.training import EdgeTraining

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset
    from pytest_edgegate.data.laid_out import FedSamples
    from pytest_edgegate.data.splits import Array, Split
    from pytest_edgegate.data.training_loop import Teacher, TrainingSamples

Hire = Callable[[str], AbstractContextManager[ChildProcess]]


@dataclass
class LegData:
    """``TransformData`` of one leg."""

    dataset: Dataset | None
    training_settings: EdgeTraining = field(default_factory=EdgeTraining)
    layout: Layout = AS_THE_MODEL
    """The layout of the leg's source relative to the user's data; a student's is derived from
    the samples."""
    teacher: Teacher | None = None
    """The teacher, if the leg distils."""
    programs: Mapping[str, Path] = field(default_factory=dict)
    """The programs that the transform lists, by name."""
    hire: Hire | None = None
    progress: Progress = silent
    notes: list[str] = field(default_factory=list)
    calibration_ranges: dict[str, tuple[float, float]] | None = None
    """The smallest and the largest calibration value of each input, by its name."""
    calibration_samples: tuple[int, ...] = ()
    """The digests of the samples that the leg was calibrated on."""

    def calibration(self, count: int, inputs: Sequence[TensorInfo]) -> Iterable[tuple[Array, ...]]:
        return _Counted(self.fed(count, inputs), self.progress, self.calibration_samples)

    def fed(self, count: int, inputs: Sequence[TensorInfo]) -> FedSamples:
        """As ``calibration``, for a reader that counts them itself."""
        from pytest_edgegate.data.dataset import finite_or_error
        from pytest_edgegate.data.laid_out import FedSamples
        from pytest_edgegate.data.row_digests import row_digests

        dataset = wanted(self.dataset)
        samples = dataset.calibration(count)
        finite_or_error(samples)
        self.calibration_samples = tuple(row_digests(samples.arrays(), samples.names).tolist())
        fed = FedSamples(samples, inputs, self.layout)
        self.calibration_ranges = fed.ranges()
        self._check_varied(fed, dataset.split("evaluation"))
        return fed

    def _check_varied(self, fed: FedSamples, evaluation: Split | None) -> None:
        """Refuses an input that never varies in calibration and does in evaluation, before any
        work; a stream is checked in its first pass."""
        from pytest_edgegate.data.splits import ArraySplit
        from pytest_edgegate.measures.input_check import check_varied, constant_inputs

        constant = constant_inputs(self.calibration_ranges or {})
        if constant and isinstance(evaluation, ArraySplit):
            check_varied(constant, fed.ranges_of(evaluation))

    def training(self, inputs: Sequence[TensorInfo]) -> TrainingSamples:
        from pytest_edgegate.data.laid_out import layout_by_samples
        from pytest_edgegate.data.training_loop import TrainingSamples

        dataset = wanted(self.dataset)
        if self.teacher is not None and self.layout == AS_THE_MODEL:
            self.layout = layout_by_samples(dataset.example(), inputs)
        return TrainingSamples(
            train_split(dataset),
            self.training_settings,
            inputs,
            self.layout,
            teacher=self.teacher,
            progress=self.progress,
        )

    def process(self, entry: str) -> AbstractContextManager[ChildProcess]:
        assert self.hire is not None  # a session gives it
        return self.hire(entry)

    def program(self, name: str) -> Path:
        return self.programs[name]


@dataclass(frozen=True)
class _Counted:
    """Calibration samples whose use is told."""

    samples: FedSamples
    progress: Progress
    digests: tuple[int, ...]

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return counted(self.samples, self.progress, CALIBRATING, len(self.digests))


def wanted(dataset: Dataset | None) -> Dataset:
    """Raises ConfigurationError if there is none."""
    if dataset is None:
        raise ConfigurationError(
            "this recipe needs samples, and there is no edge_data", "define the fixture edge_data"
        )
    return dataset


def train_split(dataset: Dataset) -> Split:
    """Raises ConfigurationError if there is none, or if it never ends: an epoch is all of it."""
    from pytest_edgegate.data.splits import refuse_endless

    found = dataset.split("train")
    if found is None:
        raise ConfigurationError(
            "edge_data has no train split, and this recipe trains",
            "return EdgeData(train=(x_train, y_train), ...)",
        )
    refuse_endless(found)
    return found
