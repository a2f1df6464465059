"""The saved program of a live module: what is converted of it is the same to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.from_torch import TRANSFORM as TO_LITERT
from pytest_edgegate.backends.onnx.from_torch import TRANSFORM as TO_ONNX
from pytest_edgegate.backends.torch.traced import READER as SAVED
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import GraphBatch, HasGraph, Produced, SourceModel, Transform
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.testing.contract import CaseData, surroundings

TRANSFORMS: Mapping[str, Transform] = {"raspberry-pi": TO_LITERT, "onnx-cpu": TO_ONNX}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 2, 8, 8)).astype(np.float32)
ROWS = RNG.normal(size=(6, 4)).astype(np.float32)

Recognise = Callable[..., SourceModel]


def of(torch: ModuleType, forward: Callable[..., Any], **parts: Any) -> Any:
    """A module with a function as its forward."""
    module = type("Made", (torch.nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(module, name, part)
    return module.eval()


def convolutional(torch: ModuleType) -> tuple[Any, Any]:
    nn = torch.nn
    stem = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(stem, nn.Flatten(), nn.Linear(144, 3)), IMAGES


def several(torch: ModuleType) -> tuple[Any, Any]:
    """Two inputs and two outputs, whose names are not in the order of the alphabet."""
    module = of(
        torch,
        lambda self, z, a: {"second": self.layer(z) - a, "first": z + self.shift},
        layer=torch.nn.Linear(4, 4),
        shift=torch.arange(4.0),
    )
    return module, {"z": ROWS, "a": ROWS}


def one_at_a_time(torch: ModuleType) -> tuple[Any, Any]:
    return of(torch, lambda self, x: self.layer(x.reshape(1, 4)), layer=torch.nn.Linear(4, 3)), ROWS


def recurrent(torch: ModuleType) -> tuple[Any, Any]:
    layer = torch.nn.GRU(8, 3, batch_first=True)
    return of(torch, lambda self, x: self.layer(x[:, 0, :3])[0], layer=layer), IMAGES


CASES = [
    (convolutional, "onnx-cpu"),
    (several, "onnx-cpu"),
    (one_at_a_time, "onnx-cpu"),
    (recurrent, "onnx-cpu"),
    (convolutional, "raspberry-pi"),
]
"""What differs between the modules is how they are saved, not what they are converted to."""


def saved(model: SourceModel, folder: Path) -> SourceModel:
    folder.mkdir()
    assert isinstance(model, HasGraph)
    model.write_graph(folder, GraphBatch.FREE)
    found = SAVED.recognise(folder, surroundings())
    assert found is not None
    return found


def converted(model: SourceModel, target: str, out: Path) -> Produced:
    out.mkdir()
    data = CaseData(EdgeData())
    return TRANSFORMS[target].apply(model, None, built_in()[target], data, out)


@pytest.mark.parametrize(
    ("make", "target"), CASES, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_file_has_the_same_bytes(
    torch: ModuleType, recognise: Recognise, tmp_path: Path, make: Any, target: str
) -> None:
    torch.manual_seed(0)
    live = recognise(*make(torch))
    here = converted(live, target, tmp_path / "here")
    there = converted(saved(live, tmp_path / "saved"), target, tmp_path / "there")
    assert there.main.name == here.main.name
    assert there.main.read_bytes() == here.main.read_bytes()
    assert (there.layout, there.notes) == (here.layout, here.notes)
    assert bool(here.notes) == (make is one_at_a_time)


def test_it_computes_what_the_module_does(
    torch: ModuleType, recognise: Recognise, tmp_path: Path
) -> None:
    live = recognise(*convolutional(torch))
    one, other = live.load(), saved(live, tmp_path / "saved").load()
    assert (other.inputs, other.outputs, other.stateful) == (one.inputs, one.outputs, one.stateful)
    given = torch.from_numpy(IMAGES)
    with torch.no_grad():
        pairs = list(zip(one.function(given), other.function(given), strict=True))
    for expected, found in pairs:
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize("target", TRANSFORMS)
def test_messages_name_the_users_layer(
    torch: ModuleType, recognise: Recognise, tmp_path: Path, target: str
) -> None:
    odd = of(torch, lambda self, x: x * torch.special.bessel_j0(x))
    head = of(torch, lambda self, x: self.odd(x), odd=odd)
    module = of(torch, lambda self, x: self.head(self.layer(x)), layer=torch.nn.Linear(4, 4))
    module.head = head
    live, told = recognise(module, ROWS), []
    for each, name in ((live, "here"), (saved(live, tmp_path / "saved"), "there")):
        with pytest.raises(UnsupportedError) as raised:
            converted(each, target, tmp_path / name)
        told.append(str(raised.value))
    assert "head.odd" in told[0].replace("/", ".")
    assert told[0] == told[1]


def test_a_module_that_keeps_state_is_refused_as_ever(
    torch: ModuleType, recognise: Recognise, tmp_path: Path
) -> None:
    def count(self: Any, x: Any) -> Any:
        self.seen.add_(1)
        return x + self.seen

    module = of(torch, count)
    module.register_buffer("seen", torch.zeros(4))
    graph = saved(recognise(module, ROWS), tmp_path / "saved")
    for target in TRANSFORMS:
        with pytest.raises(UnsupportedError, match="in its forward"):
            converted(graph, target, tmp_path / target)


def test_an_operator_of_others_is_not_saved(
    torch: ModuleType, recognise: Recognise, tmp_path: Path
) -> None:
    """Another process may lack it: what registers it was imported by the user's tests."""
    library = torch.library.Library("edgegate_test", "FRAGMENT")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeImplicitAutograd")
    live = recognise(of(torch, lambda self, x: torch.ops.edgegate_test.twice(x)), ROWS)
    with pytest.raises(UnsupportedError, match=r"edgegate_test\.twice"):
        saved(live, tmp_path / "saved")
