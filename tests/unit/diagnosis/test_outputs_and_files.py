"""What red verdicts on outputs, bytes and times show."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.diagnosis import files, outputs, overflow, times
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.evidence import Evidence

RED = Measurement(1.0, "host:fake")
QUANTISED: Recipe = (PTQ(),)


def evidence(outputs: tuple[str, ...] = (), **arrays: Any) -> Evidence:
    n = len(next(iter(arrays.values())))
    return Evidence({k: np.asarray(v) for k, v in arrays.items()}, n, "", "", outputs=outputs)


def made(recipe: Recipe = QUANTISED, dtype: str = "int8") -> Any:
    """An artifact of the gate, as the provider ``file``."""
    given = replace(artifact(30_000), recipe=recipe, dtype=dtype, provenance={"model": "m"})
    return as_file(given)


def given(*, is_float: bool = False) -> Any:
    return as_file(replace(artifact(30_000), dtype=None), is_float=is_float)


def file_of(how: str | Recipe) -> Any:
    """A given file, by its name here, or an artifact of a recipe."""
    return given(is_float=how == "given in float") if isinstance(how, str) else made(how)


def as_file(
    given: Artifact,
    dtypes: tuple[str, ...] = ("float32", "float16", "int8"),
    *,
    is_float: bool = True,
) -> Any:
    target = SimpleNamespace(dtypes=dtypes)
    described = SimpleNamespace(operators=(), is_float=is_float)
    return SimpleNamespace(
        artifact=given,
        target=target,
        float_export=lambda: artifact(40_000),
        description=lambda: described,
    )


def of(
    function: Any, found: Evidence | NotMeasured, file: Any = None, activations: Any = None
) -> Diagnosis:
    passes = SimpleNamespace(
        parity=lambda: found if isinstance(found, NotMeasured) else (found,),
        compared=lambda: found,
        export_compared=lambda: found,
        activations=lambda of_export=False: activations or {},
    )
    more = {"file": file or made()} if "file" in signature(function).parameters else {}
    red = RED if isinstance(found, NotMeasured) else replace(RED, source=found.source)
    diagnosis: Diagnosis = function(red, cast("Any", passes), **more)
    return diagnosis


@pytest.mark.parametrize("function", [outputs.of_artifact, outputs.of_export])
def test_an_activation_that_one_of_two_has_is_the_cause(function: Any) -> None:
    one = evidence(("a",), absolute=[0.5], signal_0=[100.0], noise_0_0=[1.0])
    removed = {"a": Activation("softmax", added=False, proven=True, same_highest=1.0)}
    found = of(function, one, activations=removed)
    assert found.cause == (
        "the output a of the file lacks the softmax that the model ends in: with it the values "
        "agree"
    )
    assert found.remedy == (
        "make the file with the softmax, or give an edge_model that ends as the file does"
    )
    assert found.details[-1] == (
        "the highest score of the output a is that of the same class in 100% of the rows"
    )
    single = float("nan")
    added = {"a": Activation("sigmoid", added=True, proven=True, same_highest=single)}
    found = of(function, one, activations=added)
    assert "ends the output a in a sigmoid, which the model does not have" in found.cause
    assert found.remedy.startswith("make the file without the sigmoid")
    assert "highest" not in " ".join(found.details)
    doubtful = {"a": Activation("softmax", added=False, proven=False, same_highest=0.1)}
    assert of(function, one, activations=doubtful).cause == (
        "each row of the output a sums to 1 in the model and not in the file: a softmax may have "
        "been removed when the file was made"
    )


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
        (outputs.of_values, "absolute", [0, 0.1, 0.3, 0.1]),
    ],
)
def test_the_sample_that_is_farthest_apart(function: Any, key: str, values: list[float]) -> None:
    assert of(function, evidence(**{key: values})).details == ("largest difference: sample #2",)


def test_signal_to_noise_is_shown_of_each_of_several_outputs() -> None:
    sums = {"signal_0": [100.0], "noise_0_0": [1.0], "signal_1": [10.0], "noise_1_1": [10.0]}
    found = of(outputs.of_artifact, evidence(("a", "b"), **sums))
    assert found.details == ("by output: a 20.0, b 0.0",)
    one = {"signal_0": [100.0], "noise_0_0": [1.0]}
    assert of(outputs.of_artifact, evidence(("a",), **one)).details == ()


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("given", "look at how the file was made: calibrate it"),
        ("given in float", "make the file again, of the model under test as it is now"),
        ((PTQ(),), "calibrate on more samples"),
        ((QAT(),), "train longer"),
        ((Cast("float16"),), "gate export_error"),
    ],
)
def test_what_quantisation_costs_is_mended_by_what_made_the_file(file: Any, remedy: str) -> None:
    one = evidence(("a",), signal_0=[100.0], noise_0_0=[1.0])
    found = of(outputs.of_artifact, one, file_of(file))
    assert found.remedy.startswith(remedy)


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
    for function in (outputs.of_export, outputs.of_artifact, outputs.of_values):
        cause = of(function, evidence(("a", "b"), **sums)).cause
        assert "output b: holds the values of output a of the model under test" in cause
    for file, remedy in (
        (given(), "export the outputs in the order"),
        (made((PTQ(),)), "give each output of the model a name of its own"),
        (made((Distill(), QAT())), "give edge_student its outputs in the order"),
    ):
        assert of(outputs.of_artifact, evidence(("a", "b"), **sums), file).remedy.startswith(remedy)


def test_what_was_not_compared_explains_nothing() -> None:
    none = NotMeasured("one runtime", "list another")
    compared = (outputs.of_export, outputs.of_artifact, outputs.of_values)
    for each in (*compared, outputs.agreement, outputs.in_steps):
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


def test_runtimes_that_agree_on_every_sample_have_none_to_look_at() -> None:
    found = of(outputs.agreement, evidence(agreement=np.ones(20)))
    assert found.details == ()
    assert found.remedy.startswith("give more evaluation samples")


def _recurrent(dtype: str, size: int) -> OperatorInfo:
    weights = TensorInfo("w", (1, 64, size), dtype, constant=True)
    bias = TensorInfo("b", (64,), "float32", constant=True)
    made = TensorInfo("h", (1, 64), "float32")
    return OperatorInfo(2, "GRU", (made, weights, bias, None), (made,))


@pytest.mark.parametrize(
    ("dtype", "size", "named"),
    [("float32", 64, True), ("float16", 64, True), ("int8", 64, False), ("float32", 8, False)],
)
def test_weights_left_in_float_are_the_cause_before_the_graph(
    dtype: str, size: int, named: bool
) -> None:
    file = made()
    file.description = lambda: SimpleNamespace(operators=(_recurrent(dtype, size),))
    cause = files.compression(RED, file).cause
    assert ("weights were left in float: GRU #2 (h)" in cause) is named
    assert ("mostly graph" in cause) is not named


ELSEWHERE = "make the file smaller where it was made, or raise the budget knowingly"
TO_INT8 = "write PTQ() in place of Cast(dtype='float16')"


@pytest.mark.parametrize(
    ("file", "size", "counts", "compression"),
    [
        (given(), ELSEWHERE, ELSEWHERE, "check where the file was made that its weights are int8"),
        (made((PTQ(),)), "", "", ""),
        (made((QAT(),)), "", "", ""),
        (
            made((Cast("float16"),), "float16"),
            f"{TO_INT8}, or raise the budget knowingly",
            "",
            f"float16 weights shrink less than int8 ones: {TO_INT8}",
        ),
        (
            made((), "float32"),
            "add PTQ() to the recipe, or raise the budget knowingly",
            "",
            "float32 weights shrink less than int8 ones: add PTQ() to the recipe",
        ),
        (
            made((Prune(0.5), PTQ())),
            "prune more than Prune(amount=0.5), or raise the budget knowingly",
            "prune more than Prune(amount=0.5), or raise the budget knowingly",
            "",
        ),
        (
            made((Distill(), Cast("float16")), "float16"),
            f"{TO_INT8}, or give edge_student fewer filters, or raise the budget knowingly",
            "give edge_student fewer filters, or raise the budget knowingly",
            f"float16 weights shrink less than int8 ones: {TO_INT8}",
        ),
    ],
)
def test_a_file_shrinks_by_what_made_it(
    file: Any, size: str, counts: str, compression: str
) -> None:
    assert files.size(RED, file).remedy == size
    assert files.counts(RED, file).remedy == counts
    assert files.compression(RED, file).remedy.startswith(compression)
    assert bool(compression) is bool(files.compression(RED, file).remedy)


def test_int8_is_proposed_only_where_the_target_takes_it() -> None:
    cast_to = made((Cast("float16"),), "float16").artifact
    assert files.size(RED, as_file(cast_to, ("float32", "float16"))) == Diagnosis()
    assert "int8" not in times.slow(RED, as_file(cast_to, ("float32", "float16"))).remedy


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (given(), "the runtimes compute this file differently"),
        (made((PTQ(),)), ""),
        (made((QAT(),)), ""),
        (made((Cast("float16"),), "float16"), "runtimes compute float16 in float16 or in float32"),
        (made((Prune(0.5),), "float32"), "the runtimes add in different orders"),
    ],
)
def test_runtimes_differ_by_what_made_the_file(file: Any, words: str) -> None:
    remedy = outputs.rounding(RED, file).remedy
    assert remedy.startswith(words)
    assert bool(remedy) is bool(words)
    assert ("edge_ptq" in remedy) is not file.artifact.made


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (given(), "the kernels of the board's processor compute this file differently"),
        (made((PTQ(),)), ""),
        (made((Cast("float16"),), "float16"), "a processor with half-precision arithmetic"),
        (made((Prune(0.5),), "float32"), "the board's kernels add in another order"),
    ],
)
def test_an_emulated_board_differs_by_what_made_the_file(file: Any, words: str) -> None:
    emulated = replace(RED, source="emulator:qemu-aarch64:cortex-a76")
    remedy = outputs.rounding(emulated, file).remedy
    assert remedy.startswith(words)
    assert bool(remedy) is bool(words)


@pytest.mark.parametrize(("exported", "mostly_graph"), [(40_000, True), (1_200_000, False)])
def test_both_sizes_of_a_compression(exported: int, mostly_graph: bool) -> None:
    file = as_file(artifact(30_000))
    file.float_export = lambda: artifact(exported)
    found = files.compression(RED, file)
    assert found.details == (f"float export {exported} bytes, artifact 30000 bytes",)
    assert ("mostly graph" in found.cause) is mostly_graph


def test_what_an_inference_takes() -> None:
    timed = Measurement(0.01, "host:fake", typical=0.002)
    assert times.percentile(timed).details == ("the median here is 2 ms",)
    assert times.ratio(timed).details == ("one inference takes 2 ms here",)
    assert times.percentile(Measurement(0.01, "vendor:tool")) == Diagnosis()


SLOW_LAYER = "profile the operators of the file: a layer in float"
NOT_FASTER = "int8 is not faster on every processor"


@pytest.mark.parametrize(
    ("file", "first", "last"),
    [
        (given(), SLOW_LAYER, "replace it where the file was made, or let edge_ptq make the file"),
        (made((PTQ(),)), SLOW_LAYER, NOT_FASTER),
        (made((QAT(),)), SLOW_LAYER, NOT_FASTER),
        (made((Prune(0.5), PTQ())), SLOW_LAYER, "; or prune more than Prune(amount=0.5)"),
        (made((Distill(), QAT())), SLOW_LAYER, "; or give edge_student fewer filters"),
        (made((Cast("float16"),), "float16"), "float16 is slower than int8 on most", TO_INT8),
        (made((), "float32"), "float32 is slower than int8 on most", "add PTQ() to the recipe"),
    ],
)
def test_a_time_shrinks_by_what_made_the_file(file: Any, first: str, last: str) -> None:
    remedy = times.slow(RED, file).remedy
    assert remedy.startswith(first)
    assert remedy.endswith(last)


ON_THAT_SAMPLE = "run edge_model on that sample"


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        (given(), "look for overflow where the file was made"),
        (made((PTQ(),)), "look for overflow: a layer whose range int8 does not hold"),
        (made((QAT(),)), "look for overflow: a layer whose range int8 does not hold"),
        (
            made((Cast("float16"),), "float16"),
            "look for overflow: a layer with values above 65,504",
        ),
        (made((), "float32"), ON_THAT_SAMPLE),
        (made((Prune(0.5),), "float32"), ON_THAT_SAMPLE),
    ],
)
def test_nan_is_blamed_on_what_made_the_file(file: Any, remedy: str) -> None:
    found = overflow.outputs(RED, file).remedy
    assert found.startswith(remedy)
    trained = any(each.trains for each in file.artifact.recipe)
    assert ("train with a lower learning rate than" in found) is trained
    assert (TO_INT8 in found) is (file.artifact.dtype == "float16")


def test_nan_in_the_reference_is_not_blamed_on_the_artifact() -> None:
    found = overflow.outputs(replace(RED, in_reference=True), made((PTQ(),)))
    assert found.remedy == "run edge_model on that sample, and mend the model or the sample"
