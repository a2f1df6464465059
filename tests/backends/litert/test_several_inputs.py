"""Several inputs and outputs through the whole gate: data by position and by name."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData, Metric
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

NUMBERS = np.random.default_rng(0)
WIDE = NUMBERS.normal(size=(120, 6)).astype(np.float32) * 50
NARROW = NUMBERS.normal(size=(120, 6)).astype(np.float32)


def _blend(keras: ModuleType) -> tuple[Any, Any]:
    """Two inputs of one shape, two outputs of one shape, in an order that is not their names'."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    wide, narrow = keras.Input((6,), name="wide"), keras.Input((6,), name="narrow")
    both = layers.Add()([layers.Rescaling(0.02)(wide), layers.Rescaling(-1.0)(narrow)])
    upper = layers.Dense(3, activation="softmax", name="upper")(both)
    lower = layers.Dense(3, activation="softmax", name="lower")(layers.Rescaling(-1.0)(both))
    return (wide, narrow), (upper, lower)


@pytest.fixture(scope="module")
def listed(keras: ModuleType) -> Any:
    inputs, outputs = _blend(keras)
    return keras.Model(list(inputs), list(outputs))


@pytest.fixture(scope="module")
def named(keras: ModuleType) -> Any:
    (wide, narrow), (upper, lower) = _blend(keras)
    return keras.Model({"wide": wide, "narrow": narrow}, {"upper": upper, "lower": lower})


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> EdgeSession:
    folder = tmp_path_factory.mktemp("several")
    settings = Settings(
        targets=("coral",),
        cache=folder / "cache",
        root=folder,
    )
    return EdgeSession(settings, Registry())


def _each(x: Any, part: slice) -> Any:
    """Some samples of every input."""
    if isinstance(x, dict):
        return {name: array[part] for name, array in x.items()}
    return tuple(array[part] for array in x)


@pytest.mark.parametrize("output", [0, 1, "upper", "lower"])
@pytest.mark.parametrize("given", ["tuple", "dict", "dict in another order"])
@pytest.mark.parametrize("step", [None, PTQ()], ids=["float", "int8"])
def test_the_artifact_is_measured_on_the_output_and_the_inputs_that_were_meant(
    request: pytest.FixtureRequest,
    session: EdgeSession,
    given: str,
    output: int | str,
    step: PTQ | None,
    listed: Any,
    named: Any,
) -> None:
    model = listed if given == "tuple" else named
    upper, lower = (np.asarray(each) for each in listed([WIDE, NARROW]))
    if given != "tuple":
        made = named({"wide": WIDE, "narrow": NARROW})
        upper, lower = np.asarray(made["upper"]), np.asarray(made["lower"])
    x: Any = {
        "tuple": (WIDE, NARROW),
        "dict": {"wide": WIDE, "narrow": NARROW},
        "dict in another order": {"narrow": NARROW, "wide": WIDE},
    }[given]
    names = session.recogniser.model(model).load().outputs
    meant = names[output] if isinstance(output, int) else output
    labels = {"upper": upper, "lower": lower}[meant].argmax(axis=1)
    data = EdgeData(
        calibration=(_each(x, slice(60, None)), None), evaluation=(_each(x, slice(60)), labels[:60])
    )
    subject = Given(model, data, Metric("top1", output=output))
    host = session.target("host")
    case = session.case(subject, host)
    artifact = session.compress(case, (step,) if step else ())
    [verdict] = session.judge(case, artifact, (Budget("accuracy_drop", 0.2),))
    assert verdict.measured is not None
    assert verdict.measured.value <= (0 if step is None else 0.06)


@pytest.mark.parametrize("given", ["tuple", "dict"])
def test_each_input_is_calibrated_on_its_own_samples(
    session: EdgeSession, listed: Any, named: Any, given: str
) -> None:
    model = listed if given == "tuple" else named
    x: Any = (WIDE, NARROW) if given == "tuple" else {"wide": WIDE, "narrow": NARROW}
    subject = Given(model, EdgeData(calibration=(x, None)))
    path: Path = session.compress(session.case(subject, session.target("coral")), (PTQ(),)).path
    scales = {bare_name(each.name): each.scales[0] for each in INSPECTOR.describe(path).inputs}
    for name, array in (("wide", WIDE), ("narrow", NARROW)):
        assert scales[name] == pytest.approx((array.max() - array.min()) / 255, rel=0.02)
