"""Frozen dataclasses as JSON and back."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.layout import CHANNELS_LAST, Layout
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.testing.fakes import FAKE_BOARD

CORAL, NANO = built_in()["coral"], built_in()["jetson-nano"]
VALUES = [
    PTQ(50, method="entropy"),
    QAT(epochs=3, lr=2e-5),
    Prune(0.1, importance="l2"),
    Cast(),
    Distill(2.0, alpha=1 / 3),
    FAKE_BOARD,
    CORAL,
    NANO,
    TensorInfo("x", (-1, 2), "int8", scales=(0.1, 0.2), zero_points=(3, -4)),
    Produced(
        Path("/out/m.xml"),
        (Path("/out/m.xml"), Path("/out/m.bin")),
        ("a note",),
        Layout((CHANNELS_LAST, None)),
        MappingProxyType({"losses": [0.5], "epochs": {"best": 3}}),
    ),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda each: type(each).__name__)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    again = from_plain(type(value), json.loads(json.dumps(as_plain(value))))
    assert again == value
    assert _in_full(again) == _in_full(value)


def _in_full(value: Any) -> dict[str, str]:
    """With the kinds of all fields: 1 is no 1.0."""
    return {each.name: repr(getattr(value, each.name)) for each in fields(value)}


def test_fields_are_of_their_kinds() -> None:
    again = from_plain(Target, json.loads(json.dumps(as_plain(CORAL))))
    rules = {type(each) for each in again.operators.values()}
    assert rules == {type(next(iter(CORAL.operators.values())))}
    assert type(again.formats) is tuple
    with pytest.raises(TypeError):
        again.runtimes["x"] = ()  # type: ignore[index]


def test_numbers_of_numpy_are_numbers() -> None:
    given = {"a": np.float32(0.5), "b": [np.int64(3)], "c": (True, None, "x")}
    assert json.loads(json.dumps(as_plain(given))) == {"a": 0.5, "b": [3], "c": [True, None, "x"]}


def test_training_without_functions() -> None:
    given = EdgeTraining(loss="mse", batch_size=7, seed=2)
    again = from_plain(EdgeTraining, json.loads(json.dumps(as_plain(given))))
    assert as_plain(again) == as_plain(given)
