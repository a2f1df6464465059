"""Training on a GPU: the same recipes, the same files, on the device that torch finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Prune
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Later
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

torch = pytest.importorskip("torch", reason="trains torch modules")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")

PRUNE, TUNED, TAUGHT = Prune(0.5, epochs=2, lr=2e-3), QAT(1, lr=1e-4), Distill(epochs=15, lr=1e-2)


def network(filters: int) -> Any:
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(filters, filters, 3, padding=1),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(filters, 4),
    )


@pytest.fixture(scope="module")
def data() -> EdgeData:
    """Which quarter of the image is bright: 1,500 images of 12 x 12 noisy pixels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 1500)
    x = random.normal(0, 0.5, (1500, 1, 12, 12)).astype(np.float32)
    for at, label in enumerate(labels):
        row, column = divmod(int(label), 2)
        x[at, 0, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += np.outer(
            np.linspace(0, 1, 6), np.linspace(1, 0, 6)
        ) * (1 + label)
    return EdgeData(
        train=(x[:1000], labels[:1000]), calibration=x[:100], evaluation=(x[1000:], labels[1000:])
    )


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def subject(request: pytest.FixtureRequest, data: EdgeData) -> Given:
    """The model under test lies on either device."""
    model, (x, y) = network(16).to("cuda"), data.train
    x, y = torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(8):
        for part in torch.randperm(len(x)).split(64):
            loss = torch.nn.functional.cross_entropy(model(x[part]), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model = model.eval().to(request.param)
    student = Later(lambda: network(8))
    return Given(model, data, student=student, training=EdgeTraining(batch_size=64))


@pytest.mark.parametrize(
    "recipe", [(PTQ(100),), (PRUNE, PTQ(100)), (TUNED,), (PRUNE, TUNED), (TAUGHT, TUNED)], ids=str
)
def test_a_recipe_trains_on_the_gpu_and_its_artifact_passes(
    subject: Given, recipe: Recipe, tmp_path: Path
) -> None:
    settings = Settings(cache=tmp_path, root=tmp_path)
    session = EdgeSession(settings, Registry())
    target = session.target("onnx-cpu")
    artifact = session.compress(session.case(subject, target), recipe)
    for step in recipe:
        if step.trains:
            facts = artifact.provenance["facts"][str(step)]["training"]
            assert str(facts["device"]).startswith("cuda")
    budgets = (Budget("accuracy_drop", 0.05),)
    verdicts = session.judge(session.case(subject, target), artifact, budgets, contract=True)
    session.close()
    assert [(each.reason, each.details) for each in verdicts if each.red] == []
