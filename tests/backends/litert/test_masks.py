"""Masks of recurrent layers in int8: one that compares floats is red, and named as the cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.origins import IDS, MASK, STEPS
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.measures.offences import Offence, OffenceKind
from pytest_edgegate.testing.contract import CaseData, surroundings

FAMILIES = pytest.mark.parametrize("family", ["keras", "tf_keras"])
LENGTHS = np.random.default_rng(1).integers(1, 5, 100)
PRESENT = np.arange(4)[None] < LENGTHS[:, None]
PADDED = np.where(
    PRESENT[..., None], np.random.default_rng(0).normal(size=(100, 4, 3)), 0.0
).astype(np.float32)


def converted(
    model: Any, data: dict[str, Any] | Any, target: Target, out: Path, step: Step | None = None
) -> Produced:
    source = READER.recognise(model, surroundings())
    assert source is not None
    lent = CaseData(EdgeData(calibration=data))
    return TRANSFORM.apply(source, step or PTQ(100), target, lent, out)


def offences(described: ModelDescription, target: Target) -> list[Offence]:
    return list(in_file(described, target, "int8"))


@FAMILIES
def test_a_mask_that_compares_floats_is_red_and_named(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str
) -> None:
    framework = request.getfixturevalue(family)
    with held_native_output():
        given = framework.Input((4, 3))
        masked = framework.layers.Masking(0.0, name="padding")(given)
        model = framework.Model(given, framework.layers.LSTM(4)(masked), name="net")
    described = INSPECTOR.describe(converted(model, PADDED, host, tmp_path).main)
    first, *_ = found = offences(described, host)
    assert first.origin == MASK
    assert str(first).startswith("NOT_EQUAL")
    assert {each.origin for each in found} <= {MASK, None}
    assert "a mask" in MASK.cause


@FAMILIES
def test_a_mask_of_its_own_is_all_integers_and_right(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str
) -> None:
    """What the remedy says works."""
    framework = request.getfixturevalue(family)
    with held_native_output():
        framework.utils.set_random_seed(0)
        given = framework.Input((4, 3), name="x")
        present = framework.Input((4,), dtype="bool", name="present")
        last = framework.layers.GRU(4)(given, mask=present)
        model = framework.Model([given, present], last, name="net")
        exact = model.predict([PADDED, PRESENT], verbose=0)
    main = converted(model, {"x": PADDED, "present": PRESENT}, host, tmp_path).main
    assert offences(INSPECTOR.describe(main), host) == []
    with XNNPACK.open(main) as runner:
        [found] = runner.infer((PADDED, PRESENT))
    assert 10 * np.log10((exact**2).sum() / ((exact - found) ** 2).sum()) > 25


def test_a_mask_is_no_cause_where_the_whole_file_is_float(
    keras: Any, host: Target, coral: Target, tmp_path: Path
) -> None:
    with held_native_output():
        given = keras.Input((4, 3))
        masked = keras.layers.Masking(0.0)(given)
        model = keras.Model(given, keras.layers.LSTM(4, unroll=True)(masked), name="net")
    source = READER.recognise(model, surroundings())
    assert source is not None
    main = TRANSFORM.apply(source, None, host, CaseData(EdgeData()), tmp_path).main
    found = offences(INSPECTOR.describe(main), coral)
    assert found
    assert {each.origin for each in found} == {None}


def test_what_unrolling_leaves_is_the_cause_where_a_target_does_not_take_it(
    keras: Any, host: Target, coral: Target, tmp_path: Path
) -> None:
    with held_native_output():
        given = keras.Input((4, 3))
        model = keras.Model(given, keras.layers.GRU(4)(given), name="net")
    described = INSPECTOR.describe(converted(model, PADDED, coral, tmp_path).main)
    found, *behind = offences(described, coral)
    assert str(found).startswith("UNPACK")
    assert found.origin == STEPS
    assert {each.kind for each in behind} == {OffenceKind.DOWNSTREAM}
    assert "from_keras_model" in STEPS.remedy
    assert offences(described, host) == []


def test_ids_in_floats_are_named_in_the_file(keras: Any, host: Target, tmp_path: Path) -> None:
    """Those of a model whose floats nobody saw before: of torch, ONNX, or a file of others."""
    ids = keras.Input((4,), name="ids")
    seen = keras.layers.Flatten()(keras.layers.Embedding(9, 3)(ids))
    model = keras.Model(ids, keras.layers.Dense(3)(seen), name="net")
    data = np.random.default_rng(0).integers(0, 9, (100, 4)).astype(np.float32)
    described = INSPECTOR.describe(converted(model, data, host, tmp_path).main)
    assert {each.origin for each in offences(described, host)} == {IDS}
