"""What red verdicts on outputs, bytes and times show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.diagnosis import files, outputs, times
from pytest_edgegate.measures.evidence import Evidence

RED = Measurement(1.0, "host:fake")


def evidence(outputs: tuple[str, ...] = (), **arrays: Any) -> Evidence:
    n = len(next(iter(arrays.values())))
    return Evidence({k: np.asarray(v) for k, v in arrays.items()}, n, "", "", outputs=outputs)


def of(function: Any, found: Evidence | NotMeasured) -> Diagnosis:
    passes = SimpleNamespace(
        parity=lambda: found, compared=lambda: found, export_compared=lambda: found
    )
    diagnosis: Diagnosis = function(RED, cast("Any", passes))
    return diagnosis


def test_samples_on_which_runtimes_differ_are_listed() -> None:
    agreement = np.ones(100)
    agreement[[3, 9, 12, 13, 14, 90]] = 0
    found = of(outputs.agreement, evidence(agreement=agreement))
    assert found.details == ("samples that differ: #3, #9, #12, #13, #14 and 1 more",)


@pytest.mark.parametrize(
    ("function", "key", "values"),
    [
        (outputs.in_steps, "steps", [0, 1, 3, 1]),
        (outputs.in_values, "absolute", [0, 0.1, 0.3, 0.1]),
        (outputs.within_a_step, "within", [1, 0.9, 0.5, 0.9]),
        (outputs.of_export, "absolute", [0, 0.1, 0.3, 0.1]),
    ],
)
def test_the_sample_that_is_farthest_apart(function: Any, key: str, values: list[float]) -> None:
    assert of(function, evidence(**{key: values})).details == ("largest difference: sample #2",)


def test_signal_to_noise_is_shown_of_each_of_several_outputs() -> None:
    sums = {"signal_0": [100.0], "noise_0_0": [1.0], "signal_1": [10.0], "noise_1_1": [10.0]}
    found = of(outputs.of_artifact, evidence(("a", "b"), **sums))
    assert found.details == ("by output: a 20.0, b 0.0",)
    one = {"signal_0": [100.0], "noise_0_0": [1.0]}
    assert of(outputs.of_artifact, evidence(("a",), **one)) == Diagnosis()


def test_outputs_that_changed_places_are_the_cause() -> None:
    sums = {
        "absolute": [1.0],
        "signal_0": [10.0],
        "signal_1": [10.0],
        "noise_0_0": [20.0],
        "noise_1_1": [20.0],
        "noise_0_1": [0.1],
        "noise_1_0": [0.1],
    }
    for function in (outputs.of_export, outputs.of_artifact):
        cause = of(function, evidence(("a", "b"), **sums)).cause
        assert "output b: holds the values of output a of the model under test" in cause


def test_what_was_not_compared_explains_nothing() -> None:
    none = NotMeasured("one runtime", "list another")
    for each in (outputs.of_export, outputs.of_artifact, outputs.agreement, outputs.in_steps):
        assert of(each, none) == Diagnosis()


def artifact(bytes_: int, *paths: Path) -> Artifact:
    return Artifact(Path("m"), "f", "int8", paths, bytes_, "", (), "board", cached=False)


def test_the_files_that_ship_are_listed_where_there_are_several(tmp_path: Path) -> None:
    one, other = tmp_path / "a.bin", tmp_path / "b.bin"
    one.write_bytes(b"1234")
    other.write_bytes(b"12")
    both = cast("Any", SimpleNamespace(artifact=artifact(6, one, other)))
    assert files.size(RED, both).details == ("a.bin: 4 bytes", "b.bin: 2 bytes")
    alone = cast("Any", SimpleNamespace(artifact=artifact(4, one)))
    assert files.size(RED, alone).details == ()


@pytest.mark.parametrize(
    ("provenance", "dtype", "smaller", "remedy"),
    [
        ({}, "int8", "where it was made", "check where the file was made"),
        ({"model": "m"}, "int8", "", ""),
        ({"model": "m"}, "float16", "", "float16 weights shrink less than int8 ones"),
    ],
)
def test_remedies_fit_how_a_file_was_made(
    provenance: dict[str, str], dtype: str, smaller: str, remedy: str
) -> None:
    given = replace(artifact(30_000), dtype=dtype, provenance=provenance)
    file = cast("Any", SimpleNamespace(artifact=given, float_export=lambda: artifact(40_000)))
    for function in (files.size, files.counts):
        assert smaller in function(RED, file).remedy
        assert bool(smaller) is bool(function(RED, file).remedy)
    assert files.compression(RED, file).remedy.startswith(remedy)


@pytest.mark.parametrize(("exported", "mostly_graph"), [(40_000, True), (1_200_000, False)])
def test_both_sizes_of_a_compression(exported: int, mostly_graph: bool) -> None:
    file = SimpleNamespace(artifact=artifact(30_000), float_export=lambda: artifact(exported))
    found = files.compression(RED, cast("Any", file))
    assert found.details == (f"float export {exported} bytes, artifact 30000 bytes",)
    assert ("mostly graph" in found.cause) is mostly_graph


def test_what_an_inference_takes() -> None:
    timed = Measurement(0.01, "host:fake", typical=0.002)
    assert times.percentile(timed).details == ("the median here is 2 ms",)
    assert times.ratio(timed).details == ("one inference takes 2 ms here",)
    assert times.percentile(Measurement(0.01, "vendor:tool")) == Diagnosis()
