"""Batches of a training, and the loop that every training is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import QAT, EdgeData, EdgeTraining, Prune
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.dataset import Dataset
from pytest_edgegate.data.splits import Array, Batch
from pytest_edgegate.data.training_loop import TrainingSamples, train

X = np.arange(150, dtype=np.float64).reshape(50, 3)
Y = np.arange(50)
INPUT = (TensorInfo("x", (-1, 3), "float32"),)


class CountingTeacher:
    """Twice the first number of a sample; counts the samples that it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        self.asked += len(batch)
        return 2 * batch.inputs[0][:, :1].astype(np.float32)


def samples(
    train: Any = (X, Y),
    inputs: Any = INPUT,
    layout: Layout | None = None,
    teacher: Any = None,
    version: str | None = None,
    progress: Any = lambda what, done, total: None,
    **settings: Any,
) -> TrainingSamples:
    split = Dataset(EdgeData(train=train, version=version)).split("train")
    assert split is not None
    return TrainingSamples(
        split,
        EdgeTraining(version=version, **settings),
        inputs,
        layout or Layout(),
        teacher=teacher,
        progress=progress,
    )


def labels_of(made: TrainingSamples, number: int) -> list[int]:
    return [int(each) for batch in made.epoch(number) for each in batch.labels]  # type: ignore[union-attr]


def test_every_sample_comes_once_an_epoch_in_another_order() -> None:
    made = samples(batch_size=16)
    first, second = labels_of(made, 0), labels_of(made, 1)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != sorted(first)
    assert first == labels_of(samples(batch_size=16), 0)
    assert first != labels_of(samples(batch_size=16, seed=1), 0)


def test_a_batch_is_as_the_model_takes_it() -> None:
    for batch in samples(batch_size=20).epoch(0):
        (x,) = batch.inputs
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x[:, 0] / 3, batch.labels)


def test_no_batch_has_a_single_sample_but_an_only_one() -> None:
    made = samples(batch_size=7)  # 50 = 7 * 7 + 1
    assert [len(batch) for batch in made.epoch(0)] == [7] * 7
    assert made.steps == 7
    assert [len(batch) for batch in samples(train=(X[:1], Y[:1])).epoch(0)] == [1]
    assert len(list(samples(batch_size=1).epoch(0))) == samples(batch_size=1).steps == 50


def test_a_stream_brings_its_own_batches() -> None:
    batches = [(X[:20], Y[:20]), (X[20:49], Y[20:49]), (X[49:], Y[49:])]
    made = samples(train=batches, version="1", batch_size=3)
    assert [len(batch) for batch in made.epoch(0)] == [20, 29]
    assert made.steps is None


def test_channels_lie_as_the_model_has_them() -> None:
    images = np.random.default_rng(0).random((4, 3, 5, 6))
    inputs = (TensorInfo("image", (-1, 5, 6, 3), "float32"),)
    (batch,) = samples((images, Y[:4]), inputs, Layout((CHANNELS_LAST,))).epoch(0)
    order = np.asarray(batch.labels)
    np.testing.assert_allclose(batch.inputs[0], images[order].transpose(0, 2, 3, 1), rtol=1e-6)


def test_inputs_go_by_name() -> None:
    inputs = (TensorInfo("b", (-1, 3), "float32"), TensorInfo("a", (-1, 1), "float32"))
    made = samples(({"a": X[:, :1], "b": X}, Y), inputs)
    (batch,) = made.epoch(0)
    assert [each.shape for each in batch.inputs] == [(50, 3), (50, 1)]


def test_what_does_not_fit_the_model_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"edge_data.train: samples of shape"):
        next(samples(inputs=(TensorInfo("x", (-1, 4), "float32"),)).epoch(0))
    with pytest.raises(ConfigurationError, match=r"edge_data.train holds NaN or Inf"):
        next(samples((np.where(X == 4, np.nan, X), Y), batch_size=64).epoch(0))


def test_samples_are_augmented_with_seeded_numbers() -> None:
    def moved(x: Array, rng: np.random.Generator) -> Array:
        return x + rng.random(x.shape)

    def epoch(number: int, **settings: Any) -> Array:
        made = samples(augment=moved, version="1", **settings)
        return np.concatenate([batch.inputs[0] for batch in made.epoch(number)])

    np.testing.assert_array_equal(epoch(0), epoch(0))
    shifts = epoch(0) - np.float32(X[np.array(labels_of(samples(), 0))])
    assert shifts.min() > 0
    assert shifts.std() > 0.1
    assert not np.array_equal(epoch(0), epoch(1))
    assert not np.array_equal(epoch(0), epoch(0, seed=1))


def test_the_example_is_not_augmented() -> None:
    made = samples(augment=lambda x, rng: x * 0, version="1")
    batch = made.example()
    np.testing.assert_array_equal(batch.inputs[0][:, 0] / 3, batch.labels)


def test_the_example_of_a_sorted_set_has_all_classes() -> None:
    sorted_labels = np.repeat([0, 1, 2, 3], 200)
    x = np.zeros((800, 3))
    labels = samples((x, sorted_labels)).example().labels
    assert labels is not None
    assert len(labels) == 256
    assert set(labels.tolist()) == {0, 1, 2, 3}
    again = samples((x, sorted_labels)).example().labels
    np.testing.assert_array_equal(labels, again)


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        (lambda x, rng: 1 / 0, "the augment of edge_training failed: ZeroDivisionError"),
        (lambda x, rng: sys.exit(0), "the augment of edge_training failed: SystemExit: 0"),
        (lambda x, rng: pytest.skip("no"), "the augment of edge_training failed: Skipped: no"),
        (lambda x, rng: x.tolist(), "gives a builtins.list, not a numpy array"),
        (lambda x, rng: x[:, :1], "arrays of other shapes"),
        (lambda x, rng: x * np.nan, "the augment of edge_training gives NaN or Inf"),
    ],
)
def test_what_an_augmentation_gives_is_looked_at(augment: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        next(samples(augment=augment, version="1").epoch(0))
    assert words in str(raised.value)


def test_several_inputs_are_augmented_together() -> None:
    def swapped(x: tuple[Array, ...], rng: np.random.Generator) -> tuple[Array, ...]:
        return x[0] * 0, x[1]

    inputs = (TensorInfo("a", (-1, 3), "float32"), TensorInfo("b", (-1, 3), "float32"))
    (batch,) = samples((((X, X)), Y), inputs, augment=swapped, version="1").epoch(0)
    assert (batch.inputs[0] == 0).all()
    assert (batch.inputs[1] != 0).any()


def test_a_teacher_is_run_once_over_all_samples_and_kept() -> None:
    teacher = CountingTeacher()
    made = samples(teacher=teacher, batch_size=16)
    for number in range(3):
        for batch in made.epoch(number):
            assert batch.teacher is not None
            np.testing.assert_array_equal(batch.teacher[:, 0], 2 * batch.inputs[0][:, 0])
    assert teacher.asked == 50


def test_a_teacher_sees_what_its_student_sees() -> None:
    teacher = CountingTeacher()
    made = samples(teacher=teacher, augment=lambda x, rng: x + 1, version="1")
    for number in range(2):
        for batch in made.epoch(number):
            assert batch.teacher is not None
            np.testing.assert_array_equal(batch.teacher[:, 0], 2 * batch.inputs[0][:, 0])
    assert teacher.asked == 100


def test_outputs_that_are_too_large_to_keep_are_made_again(monkeypatch: Any) -> None:
    monkeypatch.setattr("pytest_edgegate.data.training_loop._KEPT_BYTES", 100)
    teacher = CountingTeacher()
    made = samples(teacher=teacher, batch_size=25)
    for batch in made.epoch(0):
        assert batch.teacher is not None
        np.testing.assert_array_equal(batch.teacher[:, 0], 2 * batch.inputs[0][:, 0])
    assert teacher.asked > 50


def test_a_teacher_of_a_stream_is_run_on_each_batch() -> None:
    made = samples([(X[:30], Y[:30]), (X[30:], Y[30:])], version="1", teacher=CountingTeacher())
    for batch in made.epoch(0):
        assert batch.teacher is not None
        np.testing.assert_array_equal(batch.teacher[:, 0], 2 * batch.inputs[0][:, 0])


def test_a_teacher_that_gives_no_numbers_is_told() -> None:
    class Broken(CountingTeacher):
        def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
            return super().outputs(batch, names) * np.float32("nan")

    with pytest.raises(ConfigurationError, match="the teacher gives NaN or Inf"):
        samples(teacher=Broken()).example()


def test_the_loop_goes_over_all_epochs_and_tells() -> None:
    told: list[tuple[str, float, float | None]] = []
    made = samples(batch_size=20, progress=lambda *what: told.append(what))
    losses: Iterator[float] = iter([4.0, 2.0, 1.0, 0.5, 0.5, 0.5])
    means = train(made, Prune(epochs=2), lambda batch: next(losses), "net")
    assert means == (pytest.approx((4 * 20 + 2 * 20 + 1 * 10) / 50), pytest.approx(0.5))
    assert [each[1:] for each in told] == [(at, 6) for at in range(1, 7)]
    assert told[1][0] == "steps of Prune on net, loss 3"


def test_a_stream_tells_its_epoch() -> None:
    told: list[Any] = []
    made = samples([(X, Y)], version="1", progress=lambda *what: told.append(what))
    train(made, QAT(epochs=2), lambda batch: 1.0, "net")
    assert told == [
        ("steps of QAT on net, epoch 1", 1, None),
        ("steps of QAT on net, epoch 2", 1, None),
    ]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_at_once(bad: float) -> None:
    seen: list[TrainingBatch] = []

    def learn(batch: TrainingBatch) -> float:
        seen.append(batch)
        return bad if len(seen) == 5 else 1.0

    with pytest.raises(CompressionError) as raised:
        train(samples(batch_size=20), QAT(epochs=9, lr=0.5), learn, "net")
    assert len(seen) == 5
    text = str(raised.value)
    assert f"the loss is {bad} at step 2 of epoch 2, with lr=0.5" in text
    assert "QAT(lr=0.05)" in text


def test_no_training_split_that_gives_nothing() -> None:
    with pytest.raises(ConfigurationError, match="gave no samples"):
        train(samples([], version="1"), QAT(), lambda batch: 1.0, "net")
