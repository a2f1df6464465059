"""Recipes that train, over real models and real digits: every cell, and across frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Later
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

Array = npt.NDArray[Any]
PRUNE, TUNED = Prune(0.5, epochs=3, lr=5e-3), QAT(epochs=1, lr=1e-4)
TAUGHT = Distill(epochs=4, lr=1e-2)
BUDGETS = (Budget("accuracy_min", 0.4), Budget("compression", 0.5))


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    """8 x 8 pixels in [0, 1], channels last: (1797, 8, 8, 1) float32, and their labels."""
    found = load_digits()
    return (found.images[..., None] / 16).astype(np.float32), found.target.astype(np.int64)


def data_of(digits: tuple[Array, Array], *, channels_first: bool) -> EdgeData:
    x, y = digits
    if channels_first:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return EdgeData(train=(x[:800], y[:800]), calibration=x[:100], evaluation=(x[1200:], y[1200:]))


def keras_network(filters: int, epochs: int, data: EdgeData) -> Any:
    """A convolution, a depthwise-separable residual block, probabilities of ten classes."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(image)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
    y = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(filters, 1, use_bias=False)(y))
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D(4)(layers.ReLU()(layers.Add()([x, y]))))
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="scores")(x))
    if epochs:
        model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        model.fit(*data.train, batch_size=32, epochs=epochs, verbose=0)
    return model


def torch_network(filters: int, epochs: int, data: EdgeData) -> Any:
    """The same in torch, with logits."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(1, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()
            )
            self.block = nn.Sequential(
                nn.Conv2d(filters, filters, 3, padding=1, groups=filters, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(),
                nn.Conv2d(filters, filters, 1, bias=False),
                nn.BatchNorm2d(filters),
            )
            self.scores = nn.Linear(filters, 10)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = self.stem(image)
            x = nn.functional.max_pool2d(torch.relu(x + self.block(x)), 4)
            logits: torch.Tensor = self.scores(x.mean((2, 3)))
            return logits

    model = Net()
    x, y = (torch.from_numpy(each) for each in data.train)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


@dataclass(frozen=True)
class World:
    """A framework with its trained model, its student to be and its data."""

    data: EdgeData
    model: Any
    student: Later

    @property
    def subject(self) -> Given:
        training = EdgeTraining(batch_size=32)
        return Given(self.model, self.data, student=self.student, training=training)


@pytest.fixture(scope="module")
def keras_world(digits: tuple[Array, Array]) -> World:
    data = data_of(digits, channels_first=False)
    student = Later(lambda: keras_network(12, 0, data))
    return World(data, keras_network(24, 4, data), student)


@pytest.fixture(scope="module")
def torch_world(digits: tuple[Array, Array]) -> World:
    data = data_of(digits, channels_first=True)
    student = Later(lambda: torch_network(12, 0, data))
    return World(data, torch_network(24, 4, data), student)


@pytest.fixture(scope="module")
def worlds(keras_world: World, torch_world: World) -> dict[str, World]:
    return {"keras": keras_world, "torch": torch_world}


class Gate:
    """Builds and judges over one cache, in one session unless another one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(cache=folder / "cache", root=folder)
        self.session = self.another()

    def another(self) -> EdgeSession:
        """A session that knows of the others what lies in their cache."""
        return EdgeSession(self._settings, Registry())

    def __call__(
        self, subject: Given, recipe: Recipe, target: str
    ) -> tuple[Artifact, dict[str, Verdict]]:
        board = self.session.target(target)
        case = self.session.case(subject, board)
        artifact = self.session.compress(case, recipe)
        verdicts = self.session.judge(case, artifact, BUDGETS, contract=True)
        return artifact, {each.budget.metric: each for each in verdicts}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    made = Gate(tmp_path_factory.mktemp("run"))
    yield made
    made.session.close()


@pytest.fixture(scope="module")
def later(run: Gate) -> Iterator[EdgeSession]:
    """Another session over the cache of ``run``."""
    made = run.another()
    yield made
    made.close()


def no_red(verdicts: dict[str, Verdict]) -> None:
    assert [(each.reason, each.details) for each in verdicts.values() if each.red] == []


def fold(verdicts: dict[str, Verdict], metric: str) -> float:
    measured = verdicts[metric].measured
    assert measured is not None
    return float(measured.value)


CELLS = [
    ("keras", "coral", (PRUNE, TUNED)),
    ("keras", "coral", (TAUGHT, PRUNE, PTQ(100))),
    ("torch", "onnx-cpu", (PRUNE, TUNED)),
    ("torch", "coral", (PRUNE, TUNED)),
    ("torch", "onnx-cpu", (PRUNE, PTQ(100))),
]
"""What the tests of each backend do not have: steps one after the other, to the end. That QAT goes
on with what Distill made is below, with teachers of another framework."""


@pytest.mark.parametrize(("name", "target", "recipe"), CELLS, ids=str)
def test_every_cell_is_made_and_passes_the_same_gates(
    run: Gate, later: EdgeSession, worlds: dict[str, World], name: str, target: str, recipe: Recipe
) -> None:
    artifact = made_and_kept(run, later, worlds[name].subject, recipe, target)
    assert artifact.provenance["facts"][str(PRUNE)]


def made_and_kept(
    run: Gate, later: EdgeSession, subject: Given, recipe: Recipe, target: str
) -> Artifact:
    """An int8 artifact within its budgets, which another session finds in the cache."""
    artifact, verdicts = run(subject, recipe, target)
    no_red(verdicts)
    assert artifact.recipe == recipe
    assert artifact.dtype == "int8"
    again = later.compress(later.case(subject, later.target(target)), recipe)
    assert again.cached
    assert again.sha256 == artifact.sha256
    return artifact


def test_one_training_serves_every_target(run: Gate, torch_world: World) -> None:
    """The training of QAT does not know the target: only the conversion is done again."""
    made = [run(torch_world.subject, (PRUNE, TUNED), name)[0] for name in ("onnx-cpu", "coral")]
    facts = [each.provenance["facts"][str(TUNED)] for each in made]
    assert facts[0] == facts[1]


def test_what_is_pruned_is_smaller(run: Gate, worlds: dict[str, World]) -> None:
    for name, target in (("keras", "raspberry-pi"), ("torch", "onnx-cpu")):
        whole, _ = run(worlds[name].subject, (), target)
        half, verdicts = run(worlds[name].subject, (PRUNE,), target)
        assert half.dtype == "float32"
        no_red(verdicts)
        assert half.size_bytes < 0.75 * whole.size_bytes
        assert fold(verdicts, "compression") == whole.size_bytes / half.size_bytes


def other_data(world: World, other: World) -> Given:
    """The model of one framework as the teacher of the other one's student, on its own data."""
    return replace(world.subject, student=other.student)


@pytest.mark.parametrize(
    ("teacher", "student", "target"), [("keras", "torch", "coral"), ("torch", "keras", "coral")]
)
def test_a_student_learns_from_a_teacher_of_another_framework(
    run: Gate,
    later: EdgeSession,
    worlds: dict[str, World],
    teacher: str,
    student: str,
    target: str,
) -> None:
    """Their channels lie otherwise: the data stays as the teacher takes it, also where QAT looks
    ahead at the student."""
    subject = other_data(worlds[teacher], worlds[student])
    made_and_kept(run, later, subject, (TAUGHT, TUNED), target)


@pytest.mark.parametrize(("name", "target"), [("torch", "onnx-cpu"), ("keras", "raspberry-pi")])
def test_a_teacher_may_be_a_file(
    run: Gate, worlds: dict[str, World], name: str, target: str
) -> None:
    """An .onnx file teaches a torch student, a .tflite file a Keras one."""
    world = worlds[name]
    exported, _ = run(world.subject, (), target)
    _, verdicts = run(replace(world.subject, model=exported.path), (TAUGHT, PTQ(100)), target)
    no_red(verdicts)


@pytest.mark.parametrize("recipe", [(QAT(),), (Prune(), PTQ())], ids=str)
def test_a_file_without_trainable_weights_is_refused_with_the_reason(
    run: Gate, torch_world: World, recipe: Recipe
) -> None:
    exported, _ = run(torch_world.subject, (), "onnx-cpu")
    subject = replace(torch_world.subject, model=exported.path)
    with pytest.raises(UnsupportedError, match="has no weights that a training could change"):
        run(subject, recipe, "onnx-cpu")


def test_a_student_that_is_a_file_of_frozen_weights_is_refused(
    run: Gate, torch_world: World
) -> None:
    exported, _ = run(torch_world.subject, (), "onnx-cpu")
    subject = replace(torch_world.subject, student=Later(lambda: exported.path))
    with pytest.raises(UnsupportedError, match="as a teacher it can stay as it is"):
        run(subject, (TAUGHT, PTQ(100)), "onnx-cpu")


def test_a_student_may_be_a_file(run: Gate, torch_world: World, tmp_path: Path) -> None:
    import torch

    network, x = torch_world.student.value, torch.zeros(2, 1, 8, 8)
    free = ({0: torch.export.Dim("batch")},)
    path = tmp_path / "student.pt2"
    torch.export.save(torch.export.export(network, (x,), dynamic_shapes=free), path)
    subject = replace(torch_world.subject, student=Later(lambda: path))
    _, verdicts = run(subject, (TAUGHT, PTQ(100)), "onnx-cpu")
    no_red(verdicts)
