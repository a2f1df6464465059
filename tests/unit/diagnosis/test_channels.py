"""Red figures by channels that share their scale with much larger ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.diagnosis import channels
from pytest_edgegate.measures.dead_channels import DeadChannels
from pytest_edgegate.measures.evidence import Evidence

RED = Measurement(1.0, "host:fake")
SHADED = DeadChannels("y", (4,), (0, 1), (0, 300))
ALIKE = DeadChannels("z", (1,), (0, 1), (0, 2))
WHOLE = DeadChannels("w", (0, 1), (0, 1), None)


def file(*, is_float: bool = False) -> Any:
    return SimpleNamespace(description=lambda: SimpleNamespace(is_float=is_float))


def of_dead(*dead: DeadChannels, is_float: bool = False) -> Diagnosis:
    passes = SimpleNamespace(dead_channels=lambda: dead)
    return channels.dead(RED, cast("Any", passes), file(is_float=is_float))


def test_scores_beside_boxes_want_an_output_of_their_own() -> None:
    found = of_dead(ALIKE, SHADED)
    assert found.cause == (
        "channel 4 of output y varies in the model under test (0 to 1) and is constant in the "
        "file, where one scale also serves channels from 0 to 300"
    )
    assert found.remedy == (
        "split the output: let the model return channel 4 of y as an output of its own, which then "
        "gets a scale of its own"
    )


def test_a_scale_is_not_blamed_where_there_is_none_or_it_fits() -> None:
    for found in (of_dead(ALIKE), of_dead(SHADED, is_float=True)):
        assert "is constant in the file" in found.cause
        assert found.remedy == ""


def test_an_output_that_is_constant_as_a_whole_has_another_cause() -> None:
    assert of_dead() == of_dead(WHOLE) == Diagnosis()


def evidence(scores: float, boxes: float) -> Evidence:
    """An output with two boxes and a score; the noise of each in squares."""
    x = np.array([[0.0, 0, 0], [300, 280, 1]])
    sums = np.stack([x, x**2, x**2, 0 * x + np.array([boxes, boxes, scores]), x, x], axis=1)
    arrays = {
        "channels_0": sums,
        "rows_0": np.ones(2, int),
        "off_1_0": np.full(2, 300.0),
        "signal_0": (x**2).sum(axis=1),
        "noise_0_0": sums[:, 3].sum(axis=1),
    }
    return Evidence(arrays, 2, "", "", outputs=("y",))


def of_unlike(found: Evidence | NotMeasured, *, is_float: bool = False) -> Diagnosis:
    passes = SimpleNamespace(compared=lambda: found, reads_classes=lambda *given: False)
    return channels.unlike(RED, cast("Any", passes), file(is_float=is_float))


def test_noise_in_a_group_of_small_channels() -> None:
    found = of_unlike(evidence(scores=0.5, boxes=1))
    assert found.details == ("by group of channels of y: channel 2 0.0, channels 0-1 46.2",)
    assert found.cause.startswith("channel 2 of output y goes from 0 to 1 in the model under test")
    assert found.remedy.startswith("split the output: let the model return channel 2 of y")


@pytest.mark.parametrize(
    "found",
    [
        of_unlike(evidence(scores=0, boxes=10_000)),  # the large ones are the noisy ones
        of_unlike(evidence(scores=0.5, boxes=1), is_float=True),
        of_unlike(NotMeasured("no model", "")),
    ],
)
def test_a_shared_scale_is_no_cause(found: Diagnosis) -> None:
    assert found.cause == found.remedy == ""
