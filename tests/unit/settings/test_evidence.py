"""The lines of the ini key edge_evidence."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.evidence import Evidence
from pytest_edgegate.settings.evidence import evidence_from_lines


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ()),
        (["vendor"], ((None, "vendor"),)),
        (["predicted", "", " coral = vendor "], ((None, "predicted"), ("coral", "vendor"))),
        (["coral=vendor", "coral = vendor"], (("coral", "vendor"),)),
    ],
)
def test_lines(lines: list[str], expected: tuple[tuple[str | None, str], ...]) -> None:
    assert evidence_from_lines(lines) == expected


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["vender"], "unknown evidence 'vender', did you mean 'vendor'?"),
        (["coral = "], "unknown evidence ''"),
        (["= vendor"], "'= vendor' names no target"),
        (["vendor", "predicted"], "asks for vendor and for predicted"),
        (["coral = vendor", "coral = predicted"], "for vendor and for predicted of coral"),
    ],
)
def test_what_can_not_be_meant(lines: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        evidence_from_lines(lines)
    assert said in raised.value.message
    assert "edge_evidence" in raised.value.message
    assert raised.value.remedy


def test_only_predictions_are_refused() -> None:
    asked = Evidence(((None, "vendor"),))
    assert asked.refuses("predicted:rules", "coral")
    for source in ("vendor:x", "emulator:x", "file", "host:litert-xnnpack"):
        assert not asked.refuses(source, "coral")
    assert not Evidence().refuses("predicted:rules", "coral")
