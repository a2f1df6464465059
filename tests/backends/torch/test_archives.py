"""Programs of torch.export.save run as the module that they were made of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.runtime import RUNTIME
from pytest_edgegate.core.errors import ConfigurationError, InferenceError, UnsupportedError

RNG = np.random.default_rng(1)


def saved(
    torch: ModuleType,
    module: Any,
    path: Path,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    shapes: Any = None,
) -> Path:
    with held_native_output(), torch.no_grad():
        program = torch.export.export(module.eval(), args, kwargs, dynamic_shapes=shapes)
        torch.export.save(program, path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "program.pt2"


def outputs_of(recognise: Any, path: Path, *arrays: np.ndarray) -> dict[str, np.ndarray]:
    with RUNTIME.open(recognise(path)) as runner:
        names = [each.name for each in runner.outputs]
        return dict(zip(names, runner.infer(arrays), strict=True))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_free_batch(
    torch: ModuleType, healthy: Path, recognise: Any, image: Any, count: int
) -> None:
    made = outputs_of(recognise, healthy, image[:count])["output"]
    module = torch.export.load(healthy).module()
    with torch.no_grad():
        expected = module(torch.from_numpy(image[:count].copy())).numpy()
    np.testing.assert_array_equal(made, expected)
    assert recognise(healthy).load().inputs[0].shape == (-1, 2, 8, 8)


@pytest.mark.parametrize("size", [1, 4])
def test_a_fixed_batch(torch: ModuleType, recognise: Any, path: Path, size: int) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU())
    saved(torch, module, path, (torch.randn(size, 3),))
    x = RNG.normal(size=(6, 3)).astype(np.float32)
    made = outputs_of(recognise, path, x)["output"]
    with torch.no_grad():
        np.testing.assert_allclose(made, module(torch.from_numpy(x)).numpy(), rtol=1e-6, atol=1e-6)
    loaded = recognise(path).load()
    assert loaded.inputs[0].shape == (size, 3)
    assert f"exported with {size}" in loaded.notes[0]


def test_several_inputs_by_place_and_by_word(torch: ModuleType, recognise: Any, path: Path) -> None:
    class Two(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, y: Any, *, mask: Any, scale: float = 2.0) -> Any:
            return {"sum": (x + y) * mask, "parts": (x * scale, y)}

    batch = torch.export.Dim("batch")
    args = (torch.randn(2, 3), torch.randn(2, 3))
    saved(
        torch,
        Two(),
        path,
        args,
        {"mask": torch.ones(2, 1, dtype=torch.int64)},
        {"x": {0: batch}, "y": {0: batch}, "mask": {0: batch}},
    )
    x, y = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    mask = np.arange(5)[:, None]
    made = outputs_of(recognise, path, x, y, mask)
    assert [each.dtype for each in recognise(path).load().inputs] == [
        "float32",
        "float32",
        "int64",
    ]
    np.testing.assert_array_equal(made["sum"], (x + y) * mask.astype(np.float32))
    np.testing.assert_array_equal(made["parts_0"], x * 2)
    np.testing.assert_array_equal(made["parts_1"], y)


def test_a_constant_among_the_inputs(torch: ModuleType, recognise: Any, path: Path) -> None:
    class Constant(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, times: int, how: Any, y: Any) -> Any:
            return x * times + y

    batch = torch.export.Dim("batch")
    shapes = ({0: batch}, None, None, {0: batch})
    saved(torch, Constant(), path, (torch.ones(2, 3), 3, None, torch.ones(2, 3)), None, shapes)
    x, y = RNG.normal(size=(2, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(outputs_of(recognise, path, x, y)["output"], x * 3 + y)


def test_free_dimensions_beside_the_batch(torch: ModuleType, recognise: Any, path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    side = torch.export.Dim("side", min=8, max=64)
    saved(
        torch,
        module,
        path,
        (torch.randn(2, 1, 16, 16),),
        None,
        ({0: torch.export.Dim("batch"), 2: side, 3: side},),
    )
    x = RNG.normal(size=(3, 1, 24, 24)).astype(np.float32)
    made = outputs_of(recognise, path, x)["output"]
    with torch.no_grad():
        np.testing.assert_allclose(made, module(torch.from_numpy(x)).numpy(), atol=1e-6)
    assert recognise(path).load().inputs[0].shape == (-1, 1, -1, -1)


def test_sizes_that_are_multiples(torch: ModuleType, recognise: Any, path: Path) -> None:
    """As detectors have them, whose strides have to divide their pictures."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, 2, 1), torch.nn.Upsample(scale_factor=2.0)
    )
    rows, columns = (4 * torch.export.Dim(each, min=2, max=16) for each in ("rows", "columns"))
    shapes = ({0: torch.export.Dim("batch"), 2: rows, 3: columns},)
    saved(torch, module, path, (torch.randn(2, 1, 16, 24),), None, shapes)
    x = RNG.normal(size=(3, 1, 24, 32)).astype(np.float32)
    made = outputs_of(recognise, path, x)["output"]
    with torch.no_grad():
        np.testing.assert_allclose(made, module(torch.from_numpy(x)).numpy(), atol=1e-6)


def test_buffers_and_constants_travel(torch: ModuleType, recognise: Any, path: Path) -> None:
    class Kept(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", torch.tensor([1.0, 2.0]))
            self.register_buffer("loose", torch.tensor([3.0, 4.0]), persistent=False)

        def forward(self, x: Any) -> Any:
            return x * self.kept + self.loose + torch.tensor([0.5, 0.25])

    saved(torch, Kept(), path, (torch.ones(2, 2),), None, ({0: torch.export.Dim("batch")},))
    x = RNG.normal(size=(3, 2)).astype(np.float32)
    made = outputs_of(recognise, path, x)["output"]
    np.testing.assert_allclose(made, x * [1, 2] + [3.5, 4.25], rtol=1e-6)


def test_a_branch_on_values_that_torch_knows(torch: ModuleType, recognise: Any, path: Path) -> None:
    class Branch(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    saved(torch, Branch(), path, (torch.ones(1, 2),))
    x = np.array([[1, 1], [-1, -1]], np.float32)
    np.testing.assert_array_equal(outputs_of(recognise, path, x)["output"], x * 2)


def test_the_digest_is_that_of_the_bytes(healthy: Path, recognise: Any) -> None:
    assert recognise(healthy).digest() == hashlib.sha256(healthy.read_bytes()).hexdigest()
    assert recognise(healthy).files == (healthy,)
    assert recognise(healthy).node == ("torch", "float32")


@pytest.mark.parametrize("content", [b"", b"text\n", b"PK\x03\x04" + bytes(100)])
def test_a_name_is_not_enough(recognise: Any, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged archive"):
        recognise(path)


def test_weights_under_the_name_of_a_program(torch: ModuleType, recognise: Any, path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ConfigurationError, match="no exported program"):
        recognise(path)


def test_data_that_does_not_fit(healthy: Path, recognise: Any) -> None:
    with (
        RUNTIME.open(recognise(healthy)) as runner,
        pytest.raises(InferenceError, match="can't run"),
    ):
        runner.infer((np.zeros((2, 5, 8, 8), np.float32),))


def test_a_custom_operator_is_refused(torch: ModuleType, recognise: Any, path: Path) -> None:
    library = torch.library.Library("edgegate_test", "DEF")
    library.define("double(Tensor x) -> Tensor")
    library.impl("double", lambda x: x * 2, "CompositeExplicitAutograd")
    library.impl("double", torch.empty_like, "Meta")

    class Custom(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.ops.edgegate_test.double(x)

    saved(torch, Custom(), path, (torch.ones(2, 2),))
    with pytest.raises(UnsupportedError, match="edgegate_test") as raised:
        recognise(path)
    assert ".module()" in raised.value.remedy


def test_every_sample_finds_the_state_as_it_was(
    torch: ModuleType, recognise: Any, path: Path
) -> None:
    class Counting(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: Any) -> Any:
            self.seen += 1
            return x + self.seen

    saved(torch, Counting(), path, (torch.ones(2, 2),), None, ({0: torch.export.Dim("batch")},))
    x = RNG.normal(size=(4, 2)).astype(np.float32)
    np.testing.assert_array_equal(outputs_of(recognise, path, x)["output"], x + 1)
