"""A live module's digest is of all that decides its outputs, and of nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

X = np.ones((2, 4), np.float32)


@pytest.fixture(scope="session")
def make(torch: ModuleType) -> Callable[..., Any]:
    def build(factor: float = 2.0, *, shifted: bool = False, branch: float = 1.0) -> Any:
        class Same(torch.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.layer = torch.nn.Linear(4, 3)
                self.register_buffer("kept", torch.ones(3))
                self.register_buffer("loose", torch.ones(3), persistent=False)

            def forward(self, x: Any) -> Any:
                made = self.layer(x) * factor * self.kept + self.loose
                made = torch.cond(made.sum() > 0, lambda a: a * branch, lambda a: a - 1.0, (made,))
                return made + 1 if shifted else made

        return Same()

    return build


@pytest.fixture(scope="session")
def first(make: Any, recognise: Any) -> str:
    digest: str = recognise(make(), X).digest()
    return digest


def test_the_same_again(make: Any, recognise: Any, first: str) -> None:
    assert recognise(make(), X).digest() == first


def test_modes_are_nothing_to_it(make: Any, recognise: Any, first: str) -> None:
    assert recognise(make().train(), X).digest() == first
    assert recognise(make().eval(), X).digest() == first


@pytest.mark.parametrize(
    "other",
    [{"factor": 2.5}, {"shifted": True}, {"branch": 1.5}],
    ids=lambda kind: next(iter(kind)),
)
def test_code_and_closures_of_the_same_class_name(
    make: Any, recognise: Any, first: str, other: dict[str, Any]
) -> None:
    assert recognise(make(**other), X).digest() != first


@pytest.mark.parametrize("name", ["layer.weight", "layer.bias", "kept", "loose"])
def test_a_number_changed_in_its_place(
    torch: ModuleType, make: Any, recognise: Any, first: str, name: str
) -> None:
    module = make()
    model = recognise(module, X)
    assert model.digest() == first
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        tensors[name].view(-1)[0] += 0.001
    assert model.digest() != first
    with torch.no_grad():
        tensors[name].view(-1)[0] -= 0.001


def test_the_shape_of_the_samples(torch: ModuleType, recognise: Any) -> None:
    module = torch.nn.ReLU()
    digests = {
        recognise(module, np.ones((2, *shape), dtype)).digest()
        for shape, dtype in [
            ((4,), "float32"),
            ((5,), "float32"),
            ((4, 1), "float32"),
            ((4,), "int64"),
        ]
    }
    assert len(digests) == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_the_dtype_of_the_weights(
    torch: ModuleType, make: Any, recognise: Any, first: str, dtype: str
) -> None:
    module = torch.nn.Linear(4, 2)
    before = recognise(module, X).digest()
    assert recognise(module.to(getattr(torch, dtype)), X).digest() != before


PROGRAM = """
import numpy as np, torch
from pytest_edgegate import EdgeData
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.testing.contract import surroundings

torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU())
x = np.ones((2, 2, 5, 5), np.float32)
digest = READER.recognise(module, surroundings(EdgeData(evaluation=x))).digest()
"""


def test_the_same_in_another_process(another_process: Any) -> None:
    here: dict[str, Any] = {}
    exec(PROGRAM, here)
    assert another_process(PROGRAM + "print(digest)", strict=True) == here["digest"]


def test_nothing_heavy_to_tell_what_a_file_is(healthy: Any, tmp_path: Any) -> None:
    program = f"""
import sys
from pathlib import Path
from pytest_edgegate.backends.torch.reader import READER
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.testing.contract import surroundings
model = READER.recognise(Path({str(healthy)!r}), surroundings())
print(model.name, *model.node, len(model.digest()))
heavy = ("torch", "sympy", "tensorflow", "onnx", "onnxruntime")
print(*[name for name in heavy if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert ran.stdout.splitlines() == ["small torch float32 64", ""]
