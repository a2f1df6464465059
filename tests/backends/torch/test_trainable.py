"""Modules that may be trained: copies of live ones, and layers made again of exported programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.trainable import trainable_of
from pytest_edgegate.backends.torch_programs import refuse_other_floats
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(6, 1, 8, 8)).astype(np.float32)

Load = Callable[..., Any]


@pytest.fixture
def exported(torch: ModuleType, recognise: Any, tmp_path: Path) -> Load:
    """A module as it is read back from an exported program with a free batch."""

    def load(module: Any, *arrays: Any, decomposed: bool = False, fixed: bool = False) -> Any:
        path = tmp_path / "model.pt2"
        tensors = tuple(torch.tensor(each) for each in arrays)
        free = None if fixed else tuple({0: torch.export.Dim("batch")} for _ in tensors)
        with held_native_output():
            program = torch.export.export(module, tensors, dynamic_shapes=free)
            torch.export.save(program.run_decompositions() if decomposed else program, path)
        return recognise(path).load()

    return load


def kinds(module: Any) -> list[str]:
    """The layers of a module that have no layers in them."""
    return sorted(type(part).__name__ for part in module.modules() if not list(part.children()))


def layers_of(torch: ModuleType, kind: str) -> tuple[Any, list[np.ndarray]]:
    """Layers in a row, and what they take."""
    nn = torch.nn
    rows = RNG.normal(size=(6, 4, 12)).astype(np.float32)
    volumes = RNG.normal(size=(6, 2, 6, 6, 6)).astype(np.float32)
    made: dict[str, tuple[list[Any], np.ndarray]] = {
        "1d": (
            [
                nn.Conv1d(4, 6, 3, 2, 1, groups=2),
                nn.BatchNorm1d(6),
                nn.Dropout1d(0.2),
                nn.ConvTranspose1d(6, 4, 3, 2, 1, 1),
            ],
            rows,
        ),
        "2d": (
            [
                nn.Conv2d(1, 6, 3, padding="same", bias=False),
                nn.BatchNorm2d(6, momentum=None),
                nn.PReLU(6),
                nn.Dropout2d(0.2),
                nn.Conv2d(6, 4, (3, 1), (2, 1), dilation=(1, 2)),
                nn.ConvTranspose2d(4, 8, 2, 2, groups=2),
                nn.GroupNorm(2, 8),
                nn.BatchNorm2d(8, affine=False),
            ],
            IMAGES,
        ),
        "3d": (
            [nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4), nn.Dropout3d(0.2), nn.ConvTranspose3d(4, 2, 2)],
            volumes,
        ),
        "dense": (
            [
                nn.Linear(12, 8),
                nn.LayerNorm(8),
                nn.GELU(),
                nn.Dropout(0.2),
                nn.Linear(8, 5, bias=False),
                nn.LayerNorm((4, 5), elementwise_affine=False),
                nn.AlphaDropout(0.1),
            ],
            rows,
        ),
        "words": (
            [nn.Embedding(20, 8, padding_idx=0), nn.Linear(8, 3)],
            RNG.integers(0, 20, (6, 7)),
        ),
    }
    layers, array = made[kind]
    module = nn.Sequential(*layers)
    for part in module:
        if getattr(part, "running_mean", None) is not None:
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval(), [array]


@pytest.mark.parametrize("decomposed", [False, True], ids=["as exported", "core operators"])
@pytest.mark.parametrize("kind", ["1d", "2d", "3d", "dense", "words"])
def test_an_exported_program_has_layers_again(
    torch: ModuleType, exported: Load, kind: str, decomposed: bool
) -> None:
    module, arrays = layers_of(torch, kind)
    loaded = exported(module, *arrays, decomposed=decomposed)
    made = loaded.trainable()
    tensors = tuple(torch.tensor(each) for each in arrays)
    with torch.no_grad():
        (output,) = made(*tensors)
        torch.testing.assert_close(output, module(*tensors), rtol=0, atol=0)
    if not decomposed:
        expected = [each for each in kinds(module) if each != "GELU"]
        assert kinds(made) == expected
        assert len(list(made.parameters())) == len(list(module.parameters()))
    norms = [each for each in kinds(module) if each.startswith("BatchNorm")]
    assert [each for each in kinds(made) if each.startswith("BatchNorm")] == norms
    convolutions = [each for each in kinds(module) if each.startswith("Conv")]
    assert [each for each in kinds(made) if each.startswith("Conv")] == convolutions


@pytest.mark.parametrize("kind", ["2d", "words"])
def test_every_layer_keeps_what_it_was_made_with(
    torch: ModuleType, exported: Load, kind: str
) -> None:
    module, arrays = layers_of(torch, kind)
    made = exported(module, *arrays).trainable()
    written = {str(part) for part in made.modules() if not list(part.children())}
    for part in module:
        assert str(part) in written


def test_both_modes_mean_something(torch: ModuleType, exported: Load, networks: Any) -> None:
    x = torch.tensor(IMAGES)
    residual = exported(networks.Residual(), IMAGES).trainable()
    norm = residual.norm_one
    before = norm.running_mean.clone()
    residual(x)
    torch.testing.assert_close(norm.running_mean, before, rtol=0, atol=0)
    residual.train()
    residual(x)
    with torch.no_grad():
        batch = residual.one(x).mean((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * batch)
    dropping = exported(networks.Normalised(), IMAGES).trainable()
    assert torch.equal(dropping(x)[0], dropping(x)[0])
    dropping.train()
    assert not torch.equal(dropping(x)[0], dropping(x)[0])


def test_a_layer_that_is_called_twice_is_one_layer(torch: ModuleType, exported: Load) -> None:
    class Twice(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(20, 8)
            self.step = torch.nn.Linear(8, 8)
            self.scale = torch.nn.Parameter(torch.ones(8))
            self.back = torch.nn.Linear(8, 20, bias=False)
            self.back.weight = self.words.weight

        def forward(self, x: Any) -> Any:
            return self.back(self.step(self.step(self.words(x)).relu()) * self.scale)

    x = RNG.integers(0, 20, (6, 7))
    module = Twice().eval()
    made = exported(module, x).trainable()
    assert kinds(made) == ["Embedding", "Linear", "Linear"]
    assert {name for name, _ in made.named_parameters()} >= {"scale", "step.weight"}
    assert len(list(made.parameters())) == 4  # the tied ones are one
    with torch.no_grad():
        assert torch.equal(made(torch.tensor(x))[0], module(torch.tensor(x)))


def test_no_layer_is_inside_another(torch: ModuleType, exported: Load) -> None:
    """An attention has a weight of its own beside a layer: ``in_proj_weight``, ``out_proj``."""

    class Attending(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(12, 2, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.attention(x, x, x, need_weights=False)[0]

    x = RNG.normal(size=(6, 5, 12)).astype(np.float32)
    module = Attending().train()  # in evaluation mode it is one operator without a gradient
    loaded = exported(module, x)
    made = loaded.trainable()
    layers = {name for name, part in made.named_modules() if isinstance(part, torch.nn.Linear)}
    assert layers == {"attention.in_proj_weight_layer", "attention.out_proj"}
    with torch.no_grad():
        assert torch.equal(made(torch.tensor(x))[0], loaded.function(torch.tensor(x))[0])


def test_what_was_exported_in_training_mode_stays_in_it(torch: ModuleType, exported: Load) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(12, 4), torch.nn.Dropout(0.5)).train()
    made = exported(module, RNG.normal(size=(6, 12)).astype(np.float32)).trainable().eval()
    x = torch.ones(4, 12)
    assert not torch.equal(made(x)[0], made(x)[0])


@pytest.mark.parametrize("live", [True, False], ids=["live", "exported"])
def test_a_trained_copy_leaves_the_model_alone(
    torch: ModuleType, exported: Load, recognise: Any, networks: Any, live: bool
) -> None:
    module = networks.Residual()
    loaded = recognise(module, IMAGES).load() if live else exported(module, IMAGES)
    x = torch.tensor(IMAGES)
    with torch.no_grad():
        before = loaded.function(x)[0].clone()
        made = loaded.trainable().train()
        assert torch.equal(made.eval()(x)[0], before)
        made.train()(x)
        for each in made.parameters():
            each.add_(1)
        assert torch.equal(loaded.function(x)[0], before)
        assert not torch.equal(loaded.trainable()(x)[0], made.eval()(x)[0])
        assert torch.equal(loaded.trainable()(x)[0], before)
    assert not module.training


def test_frozen_parameters_stay_frozen(exported: Load, networks: Any) -> None:
    module = networks.Residual()
    module.one.weight.requires_grad_(False)
    made = exported(module, IMAGES).trainable()
    assert {name for name, each in made.named_parameters() if not each.requires_grad} == {
        "one.weight"
    }


def refusal(loaded: Any) -> str:
    with pytest.raises(UnsupportedError) as raised:
        loaded.trainable()
    assert str(raised.value).splitlines()[-1] == raised.value.remedy
    return str(raised.value)


@pytest.mark.parametrize("live", [True, False], ids=["live", "exported"])
def test_what_has_nothing_to_train_is_refused(
    torch: ModuleType, exported: Load, recognise: Any, networks: Any, live: bool
) -> None:
    def loaded(module: Any) -> Any:
        return recognise(module, IMAGES).load() if live else exported(module, IMAGES)

    assert "has no parameters: there is nothing to train" in refusal(loaded(torch.nn.ReLU()))
    frozen = networks.Chain().requires_grad_(False)
    assert "all 6 parameters of" in refusal(loaded(frozen))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats_are_refused(torch: ModuleType, recognise: Any, dtype: str) -> None:
    module = torch.nn.Linear(8, 3).to(getattr(torch, dtype))
    with pytest.raises(UnsupportedError) as raised:
        trainable_of("Linear", recognise(module, IMAGES[:, 0, 0]).load())
    assert raised.value.message == (
        f"Linear has torch.{dtype} weights, and recipes start from float32"
    )
    assert "return model.float() from edge_model" in raised.value.remedy


def test_a_forward_in_autocast_is_refused(torch: ModuleType, recognise: Any) -> None:
    class Mixed(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(x)

    loaded = recognise(Mixed(), IMAGES[:, 0, 0]).load()
    with pytest.raises(UnsupportedError, match=r"the forward of Mixed has torch\.autocast in it"):
        trainable_of("Mixed", loaded)
    with pytest.raises(UnsupportedError, match=r"torch\.autocast"):
        refuse_other_floats("Mixed", loaded)


def test_a_program_of_a_fixed_batch_is_refused(exported: Load, networks: Any) -> None:
    text = refusal(exported(networks.Chain(), IMAGES, fixed=True))
    assert "model.pt2 takes exactly 6 samples at once, and trainings go over batches" in text


def test_a_module_with_a_state_is_refused_before_it_is_trained(
    torch: ModuleType, recognise: Any
) -> None:
    class Counting(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 3)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.layer(x)

    loaded = recognise(Counting(), IMAGES[:, 0, 0]).load()
    with pytest.raises(UnsupportedError, match="Counting writes to a buffer in its forward"):
        trainable_of("Counting", loaded)
    frozen = LoadedModel(loaded.function, loaded.inputs, loaded.outputs)
    with pytest.raises(UnsupportedError, match="Frozen has no weights that could be trained"):
        trainable_of("Frozen", frozen)


def test_a_module_that_can_not_be_copied_is_refused(
    torch: ModuleType, recognise: Any, networks: Any
) -> None:
    module = networks.Chain()
    module.kept = module.one.weight * 2  # torch copies no tensor that was computed
    text = refusal(recognise(module, IMAGES).load())
    assert text.startswith("edgegate error: Chain can't be copied, and a training must not")
    assert "return the path of the .pt2 file" in text
