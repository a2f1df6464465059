"""Distillation into torch students: the loss by numpy and scipy, and that it is learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, log_softmax, softmax

from pytest_edgegate import Distill, EdgeData, EdgeTraining
from pytest_edgegate.backends.torch.distill import TRANSFORM, distilling
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array, Batch
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData

HOST = Registry().get("target", "host")
RNG = np.random.default_rng(13)
STUDENT = RNG.normal(size=(12, 5)) * 2
TEACHER = RNG.normal(size=(12, 5)).astype(np.float32) * 3
LABELS = RNG.integers(0, 5, 12)
X = np.zeros((12, 1), np.float32)


def expected(
    student: Array, teacher: Array, labels: Array | None, temperature: float, alpha: float
) -> float:
    """The formula of Hinton, Vinyals and Dean, in double precision."""
    given = log_softmax(teacher.astype(np.float64) / temperature, -1)
    taken = log_softmax(student.astype(np.float64) / temperature, -1)
    divergence = (np.exp(given) * (given - taken)).sum(-1).mean()
    value = alpha * temperature**2 * divergence
    if labels is None:
        return float(value)
    logs = log_softmax(student.astype(np.float64), -1)
    hard = -np.take_along_axis(logs, labels[..., None], -1).mean()
    return float(value + (1 - alpha) * hard)


@pytest.fixture
def loss(torch: ModuleType) -> Callable[..., Any]:
    """The loss of outputs as a student gives them, and their gradient."""

    def of(
        outputs: Array,
        teacher: Array,
        labels: Array | None,
        *,
        last: Any = None,
        temperature: float = 4.0,
        alpha: float = 0.7,
        **settings: Any,
    ) -> tuple[float, Array]:
        step = Distill(temperature, alpha=alpha)
        batch = TrainingBatch((np.zeros((len(outputs), 1), np.float32),), labels, teacher)
        values = torch.tensor(outputs, dtype=torch.float64, requires_grad=True)
        made = values if last is None else last(values)
        arrays = (made.detach().numpy(),)
        value = distilling(step, arrays, batch, EdgeTraining(**settings))((made,), batch)
        value.backward()
        return float(value.detach()), values.grad.numpy()

    return of


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.5), (4.0, 0.7), (9.0, 0.1), (2.0, 1)])
def test_the_loss_and_its_gradient(loss: Any, temperature: float, alpha: float) -> None:
    labels = None if alpha == 1 else LABELS
    value, slope = loss(STUDENT, TEACHER, labels, temperature=temperature, alpha=alpha)
    assert value == pytest.approx(expected(STUDENT, TEACHER, labels, temperature, alpha), rel=1e-6)

    def of(flat: Array) -> float:
        return expected(flat.reshape(12, 5), TEACHER, labels, temperature, alpha)

    numeric = approx_fprime(STUDENT.ravel(), of, 1e-6).reshape(12, 5)
    np.testing.assert_allclose(slope, numeric, atol=1e-5)


def test_no_teacher_counts_with_an_alpha_of_0(loss: Any) -> None:
    value, _ = loss(STUDENT, TEACHER, LABELS, alpha=0)
    assert value == pytest.approx(expected(STUDENT, -TEACHER, LABELS, 1, 0), rel=1e-6)


def test_probabilities_are_taken_for_what_they_are(torch: ModuleType, loss: Any) -> None:
    """A softmax at the end of either one changes nothing: its logarithm is the logit."""
    wanted = expected(STUDENT, TEACHER, LABELS, 4, 0.7)
    shares = softmax(TEACHER, -1)
    assert loss(STUDENT, shares, LABELS)[0] == pytest.approx(wanted, rel=1e-5)
    ending = torch.nn.Softmax(-1)
    value, slope = loss(STUDENT, TEACHER, LABELS, last=ending)
    assert value == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(slope, loss(STUDENT, TEACHER, LABELS)[1], atol=1e-7)
    assert loss(STUDENT, shares, LABELS, last=ending)[0] == pytest.approx(wanted, rel=1e-5)


def test_a_sure_student_still_has_a_loss(torch: ModuleType, loss: Any) -> None:
    value, slope = loss(STUDENT * 1e4, TEACHER, LABELS, last=torch.nn.Softmax(-1))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_one_score_is_two_classes(torch: ModuleType, loss: Any) -> None:
    bits = LABELS % 2
    score, taught = STUDENT[:, :1], TEACHER[:, :1]
    both, given = (np.concatenate([np.zeros_like(each), each], 1) for each in (score, taught))
    wanted = expected(both, given, bits, 4, 0.7)
    assert loss(score, taught, bits)[0] == pytest.approx(wanted, rel=1e-6)
    assert loss(score[:, 0], taught[:, 0], bits)[0] == pytest.approx(wanted, rel=1e-6)
    share = expit(taught)
    assert loss(score, share, bits, last=torch.nn.Sigmoid())[0] == pytest.approx(wanted, rel=1e-5)
    near = np.linspace(0.1, 0.9, 12)[:, None]  # logits that look like probabilities
    both = np.concatenate([np.zeros_like(near), near], 1)
    wanted = expected(both, given, bits, 4, 0.7)
    assert loss(near, taught, bits)[0] == pytest.approx(wanted, rel=1e-6)
    assert np.isfinite(loss(score * 1e4, share, bits, last=torch.nn.Sigmoid())[1]).all()


def test_small_batches_are_read_as_the_example_was(torch: ModuleType) -> None:
    """One sample may look like probabilities by chance."""
    step = Distill(1.0, alpha=1)
    whole = TrainingBatch((X,), None, TEACHER)
    made = distilling(step, (STUDENT,), whole, EdgeTraining())
    chance = np.array([[0.1, 0.2, 0.3, 0.25, 0.15]], np.float32)
    one = torch.tensor(STUDENT[:1])
    value = float(made((one,), TrainingBatch((X[:1],), None, chance)))
    assert value == pytest.approx(expected(STUDENT[:1], chance, None, 1, 1), rel=1e-6)


@pytest.mark.parametrize("labelled", [True, False])
def test_classes_of_every_pixel(loss: Any, labelled: bool) -> None:
    """torch has the classes second; the mean goes over pixels as well."""
    student = RNG.normal(size=(6, 3, 4, 4))
    teacher = RNG.normal(size=(6, 3, 4, 4)).astype(np.float32)
    labels = RNG.integers(0, 3, (6, 4, 4)) if labelled else None
    alpha = 0.7 if labelled else 1
    value, _ = loss(student, teacher, labels, alpha=alpha)
    last = (np.moveaxis(each, 1, -1) for each in (student, teacher))
    assert value == pytest.approx(expected(*last, labels, 4, alpha), rel=1e-6)


def test_the_users_loss_is_that_of_the_labels(torch: ModuleType, loss: Any) -> None:
    def own(outputs: Any, labels: Any) -> Any:
        return outputs.square().mean() + labels.sum()

    value, _ = loss(STUDENT, TEACHER, LABELS, loss=own, version="1")
    soft = expected(STUDENT, TEACHER, None, 4, 0.7)
    assert value == pytest.approx(soft + 0.3 * ((STUDENT**2).mean() + LABELS.sum()), rel=1e-6)


def test_the_users_distill_loss_is_all_of_it(loss: Any) -> None:
    def own(student: Any, teacher: Any, labels: Any) -> Any:
        return (student[:, :3] - teacher).square().mean() * labels.sum()

    value, _ = loss(STUDENT, TEACHER[:, :3], LABELS, distill_loss=own, version="1")
    wanted = ((STUDENT[:, :3] - TEACHER[:, :3]) ** 2).mean() * LABELS.sum()
    assert value == pytest.approx(wanted, rel=1e-6)
    without = distilling(
        Distill(),
        (STUDENT,),
        TrainingBatch((X,), None, TEACHER),
        EdgeTraining(distill_loss=lambda s, t, y: s.sum() if y is None else None, version="1"),
    )
    assert callable(without)


def test_labels_are_not_read_with_an_alpha_of_1(loss: Any) -> None:
    """Of whatever kind they are: values, or of classes that the model does not have."""
    wanted = expected(STUDENT, TEACHER, None, 4, 1)
    for labels in (STUDENT, LABELS + 9, np.zeros((12, 3))):
        assert loss(STUDENT, TEACHER, labels, alpha=1)[0] == pytest.approx(wanted, rel=1e-6)


def test_several_outputs_need_a_loss_of_ones_own() -> None:
    batch = TrainingBatch((X,), LABELS, TEACHER)
    outputs = (STUDENT, STUDENT[:, :2])
    with pytest.raises(ConfigurationError, match="the student has 2 outputs") as raised:
        distilling(Distill(alpha=1), outputs, batch, EdgeTraining())
    assert "distill_loss=lambda student, teacher, labels" in raised.value.remedy
    own = EdgeTraining(distill_loss=lambda student, teacher, labels: student[0], version="1")
    assert callable(distilling(Distill(alpha=1), outputs, batch, own))


def test_what_can_not_be_distilled(loss: Any) -> None:
    with pytest.raises(ConfigurationError, match="the student gives 5 classes and its teacher 4"):
        loss(STUDENT, TEACHER[:, :4], LABELS)
    with pytest.raises(ConfigurationError, match=r"edge_data\.train has no labels"):
        loss(STUDENT, TEACHER, None)
    with pytest.raises(
        ConfigurationError, match=r"the labels of edge_data\.train are values"
    ) as at:
        loss(STUDENT, TEACHER, STUDENT)
    assert "distill_loss=lambda student, teacher, labels" in at.value.remedy
    with pytest.raises(ConfigurationError, match="distill_loss of edge_training gives str"):
        loss(STUDENT, TEACHER, LABELS, distill_loss=lambda *given: "0.5", version="1")


class Linear:
    """A teacher: least squares on the pixels of the digits."""

    def __init__(self, x: Array, y: Array) -> None:
        self._weights = np.linalg.lstsq(self._rows(x), np.eye(10)[y] * 8, rcond=None)[0]

    def _rows(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        return np.concatenate([flat, np.ones((len(x), 1))], 1)

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        made: Array = (self._rows(batch.inputs[0]) @ self._weights).astype(np.float32)
        return made


@pytest.fixture
def apply(recognise: Any, digits: EdgeData, tmp_path: Path) -> Callable[..., Any]:
    def applied(student: Any, step: Distill, *, labels: bool = True, **settings: Any) -> Any:
        x, y = digits.train
        given = EdgeData(train=(x, y) if labels else x)
        data = CaseData(given, training=EdgeTraining(**settings), teacher=Linear(x, y))
        return TRANSFORM.apply(recognise(student, x), step, HOST, data, tmp_path)

    return applied


@pytest.mark.parametrize("labels", [True, False])
def test_a_student_comes_to_agree_with_its_teacher(
    torch: ModuleType, apply: Any, recognise: Any, networks: Any, digits: EdgeData, labels: bool
) -> None:
    student = networks.Chain()
    produced = apply(student, Distill(epochs=4, alpha=0.7 if labels else 1), labels=labels)
    x = digits.evaluation[0]
    taught = Linear(*digits.train).outputs(Batch((x,), None), None).argmax(-1)
    trained = recognise(produced.main).load().function(torch.tensor(x))[0]
    agreement = [
        float((each.detach().numpy().argmax(-1) == taught).mean())
        for each in (student(torch.tensor(x)), trained)
    ]
    assert agreement[0] < 0.3
    assert agreement[1] > 0.6
    losses = produced.facts["training"]["losses"]
    assert len(losses) == 4
    assert losses[3] < losses[0]
    assert produced.files == (produced.main,)


def test_outputs_keep_their_names(apply: Any, recognise: Any, networks: Any) -> None:
    class Named(networks.Chain):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return {"digit": super().forward(x)}

    produced = apply(Named(), Distill(epochs=1))
    assert recognise(produced.main).load().outputs == ("digit",)


def test_a_student_of_other_classes_is_refused_before_any_training(
    torch: ModuleType, apply: Any, tmp_path: Path
) -> None:
    student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 7)).eval()
    with pytest.raises(ConfigurationError, match="the student gives 7 classes and its teacher 10"):
        apply(student, Distill(epochs=1))
    assert not list(tmp_path.iterdir())


def test_a_distillation_that_diverges_leaves_no_file(
    apply: Any, networks: Any, tmp_path: Path
) -> None:
    with pytest.raises(CompressionError, match="the training of Chain diverged"):
        apply(networks.Chain(), Distill(epochs=1, lr=1e30), optimizer="sgd")
    assert not list(tmp_path.iterdir())
