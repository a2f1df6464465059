"""What is read off the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import BUDGETS, Budget
from pytest_edgegate.core.description import HeldTwice, ModelDescription
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Outcome
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.catalogue import measure, measure_of
from pytest_edgegate.measures.providers import Providers
from pytest_edgegate.measures.size import compression, macs, parameters, size
from pytest_edgegate.targets.parse import target_from_table

BARE: dict[str, Any] = {"formats": ["f"], "dtypes": ["int8"], "runtimes": {"f": ["r"]}}
BOARD = target_from_table("board", BARE)


NOT_TWICE = HeldTwice()


@dataclass
class Context:
    artifact: Artifact
    export: Artifact | NotMeasured | None = None
    described: ModelDescription | None = None
    target: Target = BOARD
    twice: HeldTwice = NOT_TWICE

    def held_twice(self, export: Artifact) -> HeldTwice:
        assert export is self.export
        return self.twice

    def float_export(self) -> Artifact | NotMeasured | None:
        return self.export

    def description(self) -> ModelDescription | None:
        return self.described


def artifact(bytes_: int, *files: Path) -> Artifact:
    return Artifact(Path("m"), "f", "int8", files, bytes_, "", (), "board", cached=False)


def measured(function: Any, context: Context) -> Measurement:
    finding = function(cast("Any", context))
    assert isinstance(finding, Measurement)
    return finding


def test_the_size_is_of_every_file(tmp_path: Path) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(b"1234")
    other.write_bytes(b"12")
    found = measured(size, Context(artifact(6, one, other)))
    assert (found.value, found.source) == (6, "file")


def test_compression_is_exact() -> None:
    found = measured(compression, Context(artifact(300_000), export=artifact(1_200_000)))
    assert found.exact == Fraction(4)
    assert judge(found, Budget("compression", 4), Rules(), "t").outcome is Outcome.PASS
    assert judge(found, Budget("compression", 4.01), Rules(), "t").outcome is Outcome.FAIL


def test_no_float_export() -> None:
    none = NotMeasured("no edge_model", "define it")
    assert compression(cast("Any", Context(artifact(1), export=none))) is none


def test_counts_off_the_file() -> None:
    described = ModelDescription((), (), (), parameters=20, macs=400)
    context = Context(artifact(1), described=described)
    assert measured(parameters, context).value == 20
    assert measured(macs, context).value == 400
    context.described = replace(described, uncounted=("WHILE #1", "CALL #2"))
    finding = macs(cast("Any", context))
    assert isinstance(finding, NotMeasured)
    assert "WHILE #1, CALL #2" in finding.reason


@pytest.mark.parametrize("metric", [each for each in BUDGETS if measure_of(each) is None])
def test_what_nothing_measures_is_said_to_be_so(metric: str) -> None:
    file = cast("Any", Context(artifact(1)))
    finding = measure(metric, Providers(file, file, file))
    assert isinstance(finding, NotMeasured)
    assert f"--edge-allow-unmeasured=board:{metric}" in finding.remedy


def test_weights_that_an_export_holds_twice_are_told_beside_the_ratio() -> None:
    context = Context(artifact(1_000), artifact(8_000))
    assert measured(compression, context).remark == ""
    context.twice = HeldTwice(("head", "b", "c", "d"), 4_096)
    found = measured(compression, context)
    assert found.exact == 8
    assert "holds 4,096 bytes twice, of weights that layers share (head, b, c ...)" in found.remark
