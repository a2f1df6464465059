"""What QAT and Prune would refuse is told without a training."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import QAT, EdgeData, EdgeTraining, Prune
from pytest_edgegate.backends.torch.prune import TRANSFORM as PRUNE
from pytest_edgegate.backends.torch.qat import TRANSFORM as QUANTISE
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import ChecksAhead
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData

RNG = np.random.default_rng(3)
X = RNG.normal(size=(24, 1, 8, 8)).astype(np.float32)
Y = np.arange(24) % 10
BOTH = [(QUANTISE, QAT(1)), (PRUNE, Prune(0.5, epochs=1))]
named = pytest.mark.parametrize(("transform", "step"), BOTH, ids=["QAT", "Prune"])


def train_on(y: Any = Y, **settings: Any) -> CaseData:
    """Samples that no training may go over."""

    def augment(x: Any, rng: Any) -> Any:
        raise AssertionError("a check trains")

    given = EdgeData(train=X if y is None else (X, y))
    return CaseData(given, training=EdgeTraining(augment=augment, version="1", **settings))


def refused(
    transform: Any, step: Any, model: Any, target: Target, data: CaseData, out: Path
) -> EdgeGateError:
    """What ``check`` raises, which is what ``apply`` raises."""
    told = []
    for call in (transform.check, lambda *given: transform.apply(*given, out)):
        with pytest.raises(EdgeGateError) as raised:
            call(model, step, target, data)
        told.append(raised.value)
    ahead, late = told
    assert type(ahead) is type(late)
    assert str(ahead) == str(late)
    return ahead


@named
def test_what_can_be_done_is_not_refused(
    torch: ModuleType, networks: Any, recognise: Any, coral: Target, transform: Any, step: Any
) -> None:
    module = networks.Residual()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    assert isinstance(transform, ChecksAhead)
    transform.check(recognise(module, X), step, coral, train_on())
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


@named
def test_labels_that_do_not_fit(
    networks: Any, recognise: Any, coral: Target, tmp_path: Path, transform: Any, step: Any
) -> None:
    model = recognise(networks.Chain(), X)
    for y, reason in ((None, "has no labels"), (Y + 5, "labels go from 5 to 14")):
        error = refused(transform, step, model, coral, train_on(y), tmp_path)
        assert isinstance(error, ConfigurationError)
        assert reason in error.message


@named
def test_an_optimizer_that_is_none(
    networks: Any, recognise: Any, coral: Target, tmp_path: Path, transform: Any, step: Any
) -> None:
    data = train_on(optimizer=lambda parameters, lr: None)
    error = refused(transform, step, recognise(networks.Chain(), X), coral, data, tmp_path)
    assert "makes no torch optimizer" in error.message


def test_what_has_no_integer_form(
    networks: Any, recognise: Any, coral: Target, tmp_path: Path
) -> None:
    model = recognise(networks.Normalised(), X)
    error = refused(QUANTISE, QAT(1), model, coral, train_on(), tmp_path)
    assert isinstance(error, UnsupportedError)
    assert "group_norm" in error.message


def test_what_has_no_filters(
    torch: ModuleType, recognise: Any, coral: Target, tmp_path: Path
) -> None:
    model = recognise(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)), X)
    error = refused(PRUNE, Prune(0.5, epochs=1), model, coral, train_on(), tmp_path)
    assert "finds no filter to remove" in error.message


@pytest.mark.parametrize(
    ("transform", "step", "package"),
    [(QUANTISE, QAT(1), "torchao"), (PRUNE, Prune(epochs=1), "torch_pruning")],
    ids=["QAT", "Prune"],
)
def test_a_package_that_is_missing(
    networks: Any,
    recognise: Any,
    coral: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transform: Any,
    step: Any,
    package: str,
) -> None:
    import sys

    for name in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    model = recognise(networks.Chain(), X)
    error = refused(transform, step, model, coral, train_on(), tmp_path)
    assert isinstance(error, BackendUnavailableError)


@named
def test_other_floats_are_refused_though_numpy_has_no_bfloat16(
    torch: ModuleType,
    networks: Any,
    recognise: Any,
    coral: Target,
    tmp_path: Path,
    transform: Any,
    step: Any,
) -> None:
    model = recognise(networks.Chain().to(torch.bfloat16), X)
    error = refused(transform, step, model, coral, train_on(), tmp_path)
    assert error.message == "Chain has torch.bfloat16 weights, and recipes start from float32"
