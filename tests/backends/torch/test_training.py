"""The training of torch modules, its losses by numpy and scipy, and the files that it ends in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from pytest_edgegate import QAT, EdgeData, EdgeTraining, Prune
from pytest_edgegate.backends.torch.saving import needs_sample, save_program
from pytest_edgegate.backends.torch.training import Modes, fit
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.testing.contract import CaseData

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 6)).astype(np.float32)
CLASSES = RNG.integers(0, 4, 40)
SHARES = softmax(RNG.normal(size=(40, 4)), -1).astype(np.float32)
REAL = RNG.normal(size=(40, 4)).astype(np.float32)
BITS = RNG.integers(0, 2, 40)
ROWS = (TensorInfo("x", (-1, 6), "float32"),)
IMAGES = (TensorInfo("x", (-1, 1, 8, 8), "float32"),)
STILL = QAT(epochs=1, lr=1e-30)
"""A step that changes nothing, so that the loss is that of the module as it was."""


def fitted(
    module: Any,
    y: Any,
    *,
    x: Any = X,
    inputs: Any = ROWS,
    step: Any = STILL,
    fitting: Any = fit,
    **settings: Any,
) -> dict[str, Any]:
    given = CaseData(EdgeData(train=(x, y)), training=EdgeTraining(**settings)).training(inputs)
    facts: dict[str, Any] = fitting(module, given, step, "the model")
    return facts


@pytest.fixture
def dense(torch: ModuleType) -> Any:
    """A dense layer of so many outputs, of seeded weights, and what follows it."""

    def make(outputs: int, *after: Any) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return torch.nn.Sequential(torch.nn.Linear(6, outputs), *after)

    return make


def scores(module: Any) -> Any:
    """What its dense layer gives for X, by numpy in double precision."""
    layer = module[0]
    weight, bias = (each.detach().double().numpy() for each in (layer.weight, layer.bias))
    return X.astype(np.float64) @ weight.T + bias


def test_a_loss_for_classes(torch: ModuleType, dense: Any) -> None:
    logits = dense(4)
    logs = log_softmax(scores(logits), -1)
    expected = -logs[np.arange(40), CLASSES].mean()
    assert fitted(logits, CLASSES)["losses"] == pytest.approx([expected], rel=1e-5)
    assert fitted(logits, CLASSES[:, None])["losses"] == pytest.approx([expected], rel=1e-5)
    assert fitted(logits, np.eye(4)[CLASSES])["losses"] == pytest.approx([expected], rel=1e-5)
    shares = fitted(logits, SHARES)["losses"]
    assert shares == pytest.approx([-(SHARES * logs).sum(-1).mean()], rel=1e-5)
    probable = dense(4, torch.nn.Softmax(-1))
    assert fitted(probable, CLASSES)["losses"] == pytest.approx([expected], rel=1e-5)


def test_a_loss_for_classes_of_every_pixel(torch: ModuleType) -> None:
    layer = torch.nn.Conv2d(1, 3, 1)
    x = RNG.normal(size=(8, 1, 8, 8)).astype(np.float32)
    y = RNG.integers(0, 3, (8, 8, 8))
    weight, bias = (each.detach().double().numpy().ravel() for each in layer.parameters())
    logs = log_softmax(x[:, 0, ..., None] * weight + bias, -1)
    expected = -np.take_along_axis(logs, y[..., None], -1).mean()
    assert fitted(layer, y, x=x, inputs=IMAGES)["losses"] == pytest.approx([expected], rel=1e-5)


def test_a_loss_for_classes_that_lie_last(dense: Any) -> None:
    module = dense(4)
    x, y = X.reshape(8, 5, 6), CLASSES.reshape(8, 5)
    expected = fitted(module, CLASSES)["losses"]
    rows = (TensorInfo("x", (-1, 5, 6), "float32"),)
    assert fitted(module, y, x=x, inputs=rows)["losses"] == pytest.approx(expected, rel=1e-5)
    shares = fitted(module, SHARES)["losses"]
    spread = fitted(module, SHARES.reshape(8, 5, 4), x=x, inputs=rows)["losses"]
    assert spread == pytest.approx(shares, rel=1e-5)


def test_a_loss_for_one_score(torch: ModuleType, dense: Any) -> None:
    module = dense(1)
    share = expit(scores(module)[:, 0])
    expected = -np.log(np.where(BITS, share, 1 - share)).mean()
    assert fitted(module, BITS)["losses"] == pytest.approx([expected], rel=1e-5)
    squashed = dense(1, torch.nn.Sigmoid(), torch.nn.Flatten(0))
    assert fitted(squashed, BITS)["losses"] == pytest.approx([expected], rel=1e-5)


SIGMOIDS = {
    "exp": lambda x: 1 / (1 + (-x).exp()),
    "odds": lambda x: x.exp() / (1 + x.exp()),
    "tanh": lambda x: 0.5 * ((x / 2).tanh() + 1),
}


@pytest.mark.parametrize("name", sorted(SIGMOIDS))
def test_a_sigmoid_written_out_is_one(torch: ModuleType, dense: Any, name: str) -> None:
    class Written(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = dense(1)

        def forward(self, x: Any) -> Any:
            return SIGMOIDS[name](self.dense(x))

    module = Written()
    share = expit(scores(module.dense)[:, 0])
    expected = -np.log(np.where(BITS, share, 1 - share)).mean()
    assert fitted(module, BITS)["losses"] == pytest.approx([expected], rel=1e-5)


def test_a_gate_is_no_sigmoid(torch: ModuleType) -> None:
    """What is multiplied by a sigmoid may be anything, as in a gate or x sigmoid(x)."""
    from pytest_edgegate.backends.torch.losses import is_squashed

    x = torch.linspace(-2, 2, 9, requires_grad=True)
    assert is_squashed(x.sigmoid() * x.softmax(0))
    assert is_squashed(torch.nn.functional.hardsigmoid(x)[:, None].expand(-1, 1))
    assert not is_squashed(x * x.sigmoid())
    assert not is_squashed(x / (1 + (-x).exp()))
    assert not is_squashed(x[:, None].expand(-1, 1))


def test_scores_that_lie_between_0_and_1_by_chance_are_no_probabilities(dense: Any) -> None:
    module = dense(1)
    module[0].weight.data.mul_(1e-3)
    module[0].bias.data.fill_(0.5)
    share = expit(scores(module)[:, 0])
    expected = -np.log(np.where(BITS, share, 1 - share)).mean()
    assert fitted(module, BITS)["losses"] == pytest.approx([expected], rel=1e-5)


def test_a_loss_for_values(dense: Any) -> None:
    module = dense(4)
    away = scores(module) - REAL
    assert fitted(module, REAL)["losses"] == pytest.approx([(away**2).mean()], rel=1e-5)
    absolute = fitted(module, REAL, loss="mae")["losses"]
    assert absolute == pytest.approx([np.abs(away).mean()], rel=1e-5)
    one = dense(1)
    single = fitted(one, REAL[:, 0])["losses"]
    assert single == pytest.approx([((scores(one)[:, 0] - REAL[:, 0]) ** 2).mean()], rel=1e-5)


def test_a_loss_of_ones_own(torch: ModuleType, dense: Any) -> None:
    seen: list[Any] = []

    def loss(outputs: Any, labels: Any) -> Any:
        seen.append((outputs, labels))
        return torch.nn.functional.cross_entropy(outputs, labels)

    facts = fitted(dense(4), CLASSES.astype(np.uint8), loss=loss, version="1")
    assert facts["losses"] == pytest.approx(fitted(dense(4), CLASSES)["losses"])
    assert seen[0][1].dtype == torch.int64
    fitted(dense(4), REAL.astype(np.float64), loss=torch.nn.functional.mse_loss, version="1")


def test_a_loss_of_ones_own_has_all_outputs(torch: ModuleType, dense: Any) -> None:
    class Two(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = dense(4)

        def forward(self, x: Any) -> Any:
            made = self.layer(x)
            return {"first": made, "second": made * 2}

    def loss(outputs: Any, labels: Any) -> Any:
        first, second = outputs
        return (second - first).square().mean()

    module = Two()
    expected = (scores(module.layer) ** 2).mean()
    facts = fitted(module, CLASSES, loss=loss, version="1")
    assert facts["losses"] == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("given", ["sgd", "own"])
def test_an_optimizer_takes_its_steps(torch: ModuleType, dense: Any, given: str) -> None:
    """The mean squared error's gradient by hand, twice over, with a momentum of 0.9."""
    momentum = 0.9 if given == "sgd" else 0.0
    module = dense(4)
    weight, bias = (each.detach().double().numpy().copy() for each in module.parameters())
    moved = [np.zeros_like(weight), np.zeros_like(bias)]
    for _ in range(2):
        away = 2 * (X @ weight.T + bias - REAL) / REAL.size
        slopes = [away.T @ X, away.sum(0)]
        moved = [momentum * old + new for old, new in zip(moved, slopes, strict=True)]
        weight, bias = weight - 0.1 * moved[0], bias - 0.1 * moved[1]
    optimizer = "sgd" if given == "sgd" else torch.optim.SGD  # as a factory: without momentum
    fitted(module, REAL, step=QAT(epochs=2, lr=0.1), optimizer=optimizer, version="1")
    for parameter, expected in zip(module.parameters(), (weight, bias), strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_digits_are_learnt(networks: Any, digits: EdgeData, optimizer: str) -> None:
    module = networks.Normalised()
    given = CaseData(digits, training=EdgeTraining(optimizer=optimizer)).training(IMAGES)
    facts = fit(module, given, Prune(epochs=3, lr=1e-2), "the model")
    assert len(facts["losses"]) == 3
    assert facts["losses"][2] < facts["losses"][0] < 2.4
    assert {name: facts[name] for name in ("optimizer", "lr", "epochs", "batch_size", "seed")} == {
        "optimizer": optimizer,
        "lr": 1e-2,
        "epochs": 3,
        "batch_size": 64,
        "seed": 0,
    }
    assert facts["device"]
    assert facts["threads"] >= 1


def test_nothing_is_left_of_a_training_but_its_weights(
    torch: ModuleType, networks: Any, digits: EdgeData
) -> None:
    module = networks.Residual()
    module.one.weight.requires_grad_(False)
    frozen = module.one.weight.detach().clone()
    given = CaseData(digits).training(IMAGES)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    with torch.no_grad():
        fit(module, given, Prune(epochs=1, lr=1e-2), "the model")
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(module.one.weight, frozen)
    assert not any(part.training for part in module.modules())
    assert all(each.grad is None for each in module.parameters())
    assert [name for name, each in module.named_parameters() if not each.requires_grad] == [
        "one.weight"
    ]
    assert module.norm_one.num_batches_tracked > 0


@pytest.fixture
def two_threads(torch: ModuleType) -> Iterator[None]:
    """Sums of floats may come out otherwise each time where threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_training_can_be_repeated(torch: ModuleType, networks: Any, digits: EdgeData) -> None:
    assert isinstance(digits.train, tuple)
    x, y = digits.train
    some = EdgeData(train=(x[:256], y[:256]))

    def weights(seed: int, before: int) -> list[Any]:
        torch.manual_seed(before)  # what has been drawn before changes nothing
        module = networks.Normalised()  # with a dropout
        given = CaseData(some, training=EdgeTraining(seed=seed)).training(IMAGES)
        fit(module, given, Prune(epochs=1, lr=1e-2), "the model")
        return list(module.state_dict().values())

    first = weights(0, 1)
    assert all(map(torch.equal, first, weights(0, 2)))
    assert not all(map(torch.equal, first, weights(1, 1)))


def test_modules_of_other_modes_and_losses(torch: ModuleType, dense: Any) -> None:
    told: list[str] = []

    def losses(outputs: Any, example: Any, settings: EdgeTraining) -> Any:
        told.append(f"asked with {outputs[0].shape}")
        return lambda made, batch: made[0].square().mean()

    modes = Modes(lambda _: told.append("learning"), lambda _: told.append("evaluating"))
    module = dense(4)
    facts = fitted(module, None, fitting=partial(fit, losses=losses, modes=modes))
    assert facts["losses"] == pytest.approx([(scores(module) ** 2).mean()], rel=1e-5)
    assert told == ["evaluating", "asked with (40, 4)", "learning", "evaluating"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_training_that_diverges(networks: Any, digits: EdgeData, optimizer: str) -> None:
    given = CaseData(digits, training=EdgeTraining(optimizer=optimizer)).training(IMAGES)
    with pytest.raises(CompressionError, match=r"diverged: .* with lr=1e\+30") as raised:
        fit(networks.Chain(), given, Prune(epochs=2, lr=1e30), "the model")
    assert "nothing of this training is kept" in raised.value.remedy


def test_weights_that_the_last_step_breaks(dense: Any) -> None:
    with pytest.raises(CompressionError, match=r"diverged: 0\.weight has NaN or Inf"):
        fitted(dense(4), REAL * 1e18, step=QAT(epochs=1, lr=1e30), optimizer="sgd")


def test_labels_that_the_model_has_no_class_for(dense: Any) -> None:
    late = np.where(np.arange(40) == 30, 9, CLASSES)
    with pytest.raises(ConfigurationError, match="labels go from 0 to 9, but the model has 4"):
        fitted(dense(4), late)


def test_functions_of_the_users_that_fit_badly(torch: ModuleType, dense: Any) -> None:
    def fails(*arguments: Any) -> Any:
        raise ValueError("on purpose")

    with pytest.raises(ConfigurationError, match=r"the loss of edge_training gives \(40,\)"):
        fitted(dense(4), CLASSES, loss=lambda out, y: out.sum(-1), version="1")
    with pytest.raises(ConfigurationError, match="the loss of edge_training gives float"):
        fitted(dense(4), CLASSES, loss=lambda out, y: 0.5, version="1")
    with pytest.raises(CompressionError, match="training of the model failed: ValueError: on pu"):
        fitted(dense(4), CLASSES, loss=fails, version="1")
    with pytest.raises(ConfigurationError, match="makes no torch optimizer: ValueError: on purp"):
        fitted(dense(4), CLASSES, optimizer=fails, version="1")
    with pytest.raises(ConfigurationError, match="makes no torch optimizer: it gives a str"):
        fitted(dense(4), CLASSES, optimizer=lambda parameters, lr: "adam", version="1")


def test_a_module_that_can_not_take_the_data(torch: ModuleType) -> None:
    module = torch.nn.Linear(5, 4)
    with pytest.raises(CompressionError, match="the training of the model failed: RuntimeError"):
        fitted(module, CLASSES)
    assert not module.training


SAVE = """
import sys
from pathlib import Path
import torch
from pytest_edgegate.backends.torch.saving import save_program
from pytest_edgegate.core.description import TensorInfo
with torch.random.fork_rng():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                                 torch.nn.Linear(144, 10)).eval()
save_program(module, (TensorInfo("x", (-1, 1, 8, 8), "float32"),), Path(sys.argv[1]))
"""


def test_a_file_has_the_same_bytes_in_another_process(
    another_process: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (tmp_path / name / "model.pt2" for name in ("here", "there"))
    for path in (here, there):
        path.parent.mkdir()
    another_process(SAVE, there)
    monkeypatch.setattr(sys, "argv", ["save", str(here)])
    exec(SAVE, {})
    assert here.read_bytes() == there.read_bytes()
    assert b"stack_trace" not in here.read_bytes()  # they have paths of this machine


def test_a_saved_module_is_read_back_with_its_ends(
    torch: ModuleType, recognise: Any, tmp_path: Path
) -> None:
    class Ends(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 4)

        def forward(self, left: Any, right: Any) -> Any:
            made = self.layer(left) + right
            return {"scores": made, "sums": made.sum(1)}

    y = REAL
    module = Ends().eval()
    live = recognise(module, {"left": X, "right": y}).load()
    path = tmp_path / "ends.pt2"
    save_program(live.trainable(), live.inputs, path, outputs=live.outputs)
    loaded = recognise(path).load()
    assert loaded.inputs == live.inputs
    assert loaded.outputs == live.outputs == ("scores", "sums")
    names = set(loaded.framework_model.state_dict)  # "model." once for the file, once to read it
    assert names == {"model.model.layer.weight", "model.model.layer.bias"}
    tensors = torch.tensor(X), torch.tensor(y)
    for one, other in zip(loaded.function(*tensors), module(*tensors).values(), strict=True):
        assert torch.equal(one, other)
    again = tmp_path / "again.pt2"
    save_program(loaded.trainable(), loaded.inputs, again, outputs=loaded.outputs)
    names = [name for name, _ in recognise(again).load().trainable().named_parameters()]
    assert names == ["layer.weight", "layer.bias"]  # as they were two files ago


def test_dimensions_of_a_saved_module(torch: ModuleType, recognise: Any, tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.reshape(1, 2, 3).sum(1)

    path = tmp_path / "model.pt2"
    save_program(Fixed().eval(), (TensorInfo("x", (1, 6), "float32"),), path)
    assert [each.shape for each in recognise(path).load().inputs] == [(1, 6)]
    free = (TensorInfo("x", (-1, -1, 6), "float32"),)
    assert needs_sample(free)
    assert not needs_sample(ROWS)
    save_program(torch.nn.Linear(6, 2).eval(), free, path, sample=(np.zeros((7, 5, 6)),))
    assert [each.shape for each in recognise(path).load().inputs] == [(-1, 5, 6)]


def test_a_module_that_can_not_be_saved(torch: ModuleType, tmp_path: Path) -> None:
    class Branches(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    twice = torch.library.custom_op(
        "edgegate_tests::twice", lambda x: x * 2, mutates_args=(), schema="(Tensor x) -> Tensor"
    )
    twice.register_fake(torch.empty_like)

    class Custom(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return twice(x)

    path = tmp_path / "model.pt2"
    with pytest.raises(UnsupportedError, match="torch can't export model"):
        save_program(Branches().eval(), ROWS, path)
    with pytest.raises(UnsupportedError, match="can't be kept as a file between two steps"):
        save_program(Custom().eval(), ROWS, path)
    assert not path.exists()
