"""The train split as batches for a training, and the training loop of all backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any, Protocol

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.ports import TrainingData
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.recipe import QAT, Distill, Prune
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.core.user_code import ends_more, told
from pytest_edgegate.data.feeding import arrange, fed
from pytest_edgegate.data.laid_out import as_model, transposed
from pytest_edgegate.data.splits import Array, ArraySplit, Batch, Split

Training = QAT | Prune | Distill

EXAMPLE = 256
"""The number of samples for choosing the loss."""
_KEPT_BYTES = 256_000_000
"""Teacher outputs up to this size in bytes are kept; larger ones are computed per batch."""


class Teacher(Protocol):
    """The model that a student learns from."""

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        """Its first output for the batch, in real values: float32 of shape (n, ...)."""


class TrainingSamples:
    """``TrainingData`` over a split.

    ``inputs`` are those of the trained model, whose *layout* is relative to the user's data. The
    teacher gets the data in the user's layout, with the same augmentation as the student.
    """

    def __init__(
        self,
        split: Split,
        settings: EdgeTraining,
        inputs: Sequence[TensorInfo],
        layout: Layout,
        *,
        teacher: Teacher | None = None,
        progress: Progress = silent,
    ) -> None:
        self._split = split
        self.settings = settings
        self._inputs = tuple(inputs)
        self._layout = layout
        self._as_model = as_model(self._inputs, layout.inputs)
        self._teacher = teacher
        self.progress = progress
        self._kept: Array | None = None

    @property
    def steps(self) -> int | None:
        size = self._split.size
        return None if size is None else sum(1 for _ in self._chunks(size))

    def example(self) -> TrainingBatch:
        if isinstance(self._split, ArraySplit):  # the start of a sorted set would miss classes
            order = np.random.default_rng(self.settings.seed).permutation(self._split.size)
            batch = self._split.take(order[:EXAMPLE])
        else:
            batch = next(iter(self._split.batches(EXAMPLE))).first(EXAMPLE)
        taught = None if self._teacher is None else self._taught(batch)
        return self._fed(batch, taught)

    def epoch(self, number: int) -> Iterator[TrainingBatch]:
        """Raises ConfigurationError for a batch that does not fit, or has NaN or Inf."""
        random = np.random.default_rng([self.settings.seed, number])
        for batch, numbers in self._batches(random):
            changed = self._augmented(batch, random)
            yield self._fed(changed, self._output_of(changed, numbers))

    def _batches(self, random: np.random.Generator) -> Iterator[tuple[Batch, Array | None]]:
        if isinstance(self._split, ArraySplit):
            order = random.permutation(self._split.size)
            for chunk in self._chunks(self._split.size):
                yield self._split.take(order[chunk]), order[chunk]
            return
        for at, batch in enumerate(self._split.batches()):
            if len(batch) > 1 or not at:
                yield batch, None

    def _chunks(self, size: int) -> Iterator[slice]:
        width = self.settings.batch_size
        for start in range(0, size, width):
            if min(size - start, width) > 1 or width == 1 or not start:
                yield slice(start, start + width)

    def _augmented(self, batch: Batch, random: np.random.Generator) -> Batch:
        augment = self.settings.augment
        if augment is None:
            return batch
        single = len(batch.inputs) == 1
        try:
            given = augment(batch.inputs[0] if single else batch.inputs, random)
            inputs = (given,) if single else tuple(given)
        except BaseException as error:  # the user's function may raise anything, and leave or skip
            if ends_more(error):
                raise
            raise ConfigurationError(
                f"the augment of edge_training failed: {told(error)}",
                "it takes x as edge_data.train has it, and a numpy Generator; the whole "
                "traceback is at --tb=long",
            ) from error
        _check_augmented(inputs, batch.inputs)
        return Batch(inputs, batch.labels, batch.start)

    def _output_of(self, batch: Batch, numbers: Array | None) -> Array | None:
        if self._teacher is None:
            return None
        if numbers is None or self.settings.augment is not None:
            return self._taught(batch)
        kept = self._kept_outputs()
        return self._taught(batch) if kept is None else kept[numbers]

    def _kept_outputs(self) -> Array | None:
        """The teacher's outputs for all samples, computed once; None if they are too large."""
        assert isinstance(self._split, ArraySplit)  # only its samples have positions
        if self._kept is not None:
            return self._kept
        parts: list[Array] = []
        for batch in self._split.batches():
            parts.append(self._taught(batch))
            if parts[0][:1].nbytes * self._split.size > _KEPT_BYTES:
                return None
            done = sum(map(len, parts))
            self.progress("samples by the teacher", done, self._split.size)
        self._kept = np.concatenate(parts)
        return self._kept

    def _taught(self, batch: Batch) -> Array:
        assert self._teacher is not None  # callers have checked
        output = self._teacher.outputs(batch, self._split.names)
        if not np.isfinite(output).all():
            raise ConfigurationError(
                "the teacher gives NaN or Inf for samples of edge_data.train",
                "look at those samples, and at the model under test",
            )
        return output

    def _fed(self, batch: Batch, teacher: Array | None) -> TrainingBatch:
        arrays = arrange(batch.inputs, self._split.names, self._as_model, "train", batch.number)
        moved = transposed(arrays, self._layout.inputs)
        inputs = tuple(fed(array, each) for array, each in zip(moved, self._inputs, strict=True))
        return TrainingBatch(inputs, batch.labels, teacher)


def _check_augmented(made: tuple[Any, ...], given: tuple[Array, ...]) -> None:
    other = next((each for each in made if not isinstance(each, np.ndarray)), None)
    if other is not None:
        raise ConfigurationError(
            f"the augment of edge_training gives a {type(other).__module__}."
            f"{type(other).__qualname__}, not a numpy array",
            "return numpy arrays: x.numpy() of a tensor",
        )
    if [each.shape for each in made] != [each.shape for each in given]:
        raise ConfigurationError(
            "the augment of edge_training gives arrays of other shapes than it takes",
            "return x changed, as many samples of the same shape",
        )
    if any(each.dtype.kind == "f" and not np.isfinite(each).all() for each in made):
        raise ConfigurationError(
            "the augment of edge_training gives NaN or Inf", "look for a division by zero in it"
        )


def train(
    data: TrainingData, step: Training, learn: Callable[[TrainingBatch], float], what: str
) -> tuple[float, ...]:
    """Calls *learn* with every batch of every epoch of the step; returns the epochs' mean losses.

    *learn* performs one optimizer step and returns the loss before it. A loss of NaN or Inf ends
    the training with an error that names the step and the learning rate. *what* names the model.
    Raises CompressionError.
    """
    epochs = step.epochs
    means = []
    for epoch in range(epochs):
        total = count = 0.0
        for at, batch in enumerate(data.epoch(epoch)):
            loss = learn(batch)
            if not isfinite(loss):
                place = f"step {at + 1} of epoch {epoch + 1}"
                raise diverged(step, what, f"the loss is {loss} at {place}")
            total, count = total + loss * len(batch), count + len(batch)
            done, steps = epoch, data.steps
            if steps:
                data.progress(
                    f"steps of {type(step).__name__} on {what}, loss {total / count:.3g}",
                    done * steps + at + 1,
                    epochs * steps,
                )
            else:
                data.progress(
                    f"steps of {type(step).__name__} on {what}, epoch {epoch + 1}", at + 1, None
                )
        means.append(total / count)
    return tuple(means)


def diverged(step: Training, what: str, reason: str) -> CompressionError:
    """The error for a training whose loss or weights have become NaN or Inf."""
    return CompressionError(
        f"the training of {what} diverged: {reason}, with lr={step.lr:g}",
        f"give a smaller learning rate: {type(step).__name__}(lr={step.lr / 10:g}); "
        "nothing of this training is kept",
    )


def training_facts(
    step: Training, settings: EdgeTraining, losses: Sequence[float]
) -> dict[str, Any]:
    """Facts about a training for the provenance, as JSON values; *losses*: means by epoch."""
    return {
        "seed": settings.seed,
        "epochs": step.epochs,
        "lr": step.lr,
        "batch_size": settings.batch_size,
        "losses": list(losses),
    }
