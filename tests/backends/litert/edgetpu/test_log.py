"""What edgetpu_compiler prints: lines of public logs."""

from __future__ import annotations

import pytest

from pytest_edgegate.backends.litert.edgetpu.log import read_log

IN_PART = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 379 ms.

On-chip memory used for caching model parameters: 7.14MiB
On-chip memory remaining for caching model parameters: 1.75KiB
Off-chip memory used for streaming uncached model parameters: 6.63MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 72
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of \
the model will instead run on the CPU, which is slower. If possible, consider updating your model \
to use only operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 64
Number of operations that will run on CPU: 8

Operator                       Count      Status

ARG_MAX                        1          Operation is working on an unsupported data type
RESIZE_BILINEAR                2          Operation is otherwise supported, but not mapped due to \
some unspecified limitation
RESIZE_BILINEAR                1          More than one subgraph is not supported
CONV_2D                        36         Mapped to Edge TPU
CONV_2D                        2          More than one subgraph is not supported
"""
WHOLE = """Edge TPU Compiler version 14.1.317412892

Model compiled successfully in 27 ms.

Number of Edge TPU subgraphs: 1
Total number of operations: 31
Operation log: model_edgetpu.log

Operator                       Count      Status

SOFTMAX                        1          Mapped to Edge TPU
"""


def test_a_model_that_is_mapped_in_part() -> None:
    log = read_log(IN_PART)
    assert (log.version, log.on_chip, log.on_cpu, log.subgraphs) == ("16.0.384591198", 64, 8, 1)
    assert log.refusal == ""
    assert log.reason("ARG_MAX") == "Operation is working on an unsupported data type"
    assert log.reason("RESIZE_BILINEAR") == (
        "Operation is otherwise supported, but not mapped due to some unspecified limitation; "
        "More than one subgraph is not supported"
    )
    assert log.reason("CONV_2D") == "More than one subgraph is not supported"
    assert log.reason("ADD") == ""
    assert log.statuses["CONV_2D"] == {
        "Mapped to Edge TPU": 36,
        "More than one subgraph is not supported": 2,
    }


def test_a_model_that_is_mapped_as_a_whole_has_no_summary() -> None:
    log = read_log(WHOLE)
    assert (log.version, log.on_chip, log.on_cpu) == ("14.1.317412892", 31, 0)
    cut = read_log(WHOLE.replace("Mapped to Edge TPU", "Operation not supported"))
    assert (cut.on_chip, cut.on_cpu) == (None, None)


@pytest.mark.parametrize(
    "line",
    [
        "Compilation failed!",
        "Internal compiler error. Aborting! ",
        "Invalid model: model.tflite",
        "ERROR: Attempting to use a delegate that only supports static-sized tensors",
        "Compilation failed due to large activation tensors in model.",
    ],
)
def test_a_model_that_is_refused(line: str) -> None:
    assert read_log(f"Edge TPU Compiler version 16.0.1\n{line}\n").refusal == line.strip()


RESTORED = "ERROR: Restored original execution plan after delegate application failure."
LARGE = "Compilation failed: Compilation failed due to large activation tensors in model."
ENDED = "Compilation child process completed within timeout period.\nCompilation failed! "
TOO_NEW = (
    "ERROR: Didn't find op for builtin opcode 'EXP' version '2'. An older version of this builtin "
    "might be supported."
)
DYNAMIC = "ERROR: Attempting to use a delegate that only supports static-sized tensors."
INTERPRETER = "Compilation failed: Model failed in Tflite interpreter."
RANGE = "libc++abi: terminating with uncaught exception of type std::out_of_range: vector"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{RESTORED}\n{LARGE}\n{ENDED}", LARGE),
        (f"{TOO_NEW}\nERROR: Registration failed.\n\nInvalid model: a.tflite", TOO_NEW),
        (f"{DYNAMIC}\n{INTERPRETER}\n{ENDED}", f"{DYNAMIC} {INTERPRETER}"),
        (f"ERROR: one\nERROR: two\nERROR: two\nERROR: three\n{LARGE}", f"ERROR: one; {LARGE}"),
        (f"{RANGE}\n{ENDED}", RANGE),
        (f"{RESTORED}\n{ENDED}", RESTORED),
        (ENDED, "Compilation failed!"),
        (RANGE, ""),
    ],
)
def test_the_most_telling_lines_of_a_refusal(text: str, told: str) -> None:
    assert read_log(f"Edge TPU Compiler version 16.0.1\n{text}\n").refusal == told


def test_what_depends_on_the_machine() -> None:
    timeout = "Compilation timeout. This is usually caused by large activations."
    assert read_log(f"{timeout}\nCompilation failed! \n").of_machine == timeout
    memory = "terminating with uncaught exception of type std::bad_alloc"
    assert read_log(f"{memory}\n{ENDED}").of_machine == memory
    assert read_log(ENDED).of_machine == ""


def test_an_error_that_comes_and_goes() -> None:
    assert read_log("Internal compiler error. Aborting! \n").internal
    assert not read_log(ENDED).internal


def test_custom_operators_have_one_name_in_it() -> None:
    log = read_log("CUSTOM   1    Operation is working on an unsupported data type\n")
    assert log.reason("CUSTOM:TFLite_Detection_PostProcess") == (
        "Operation is working on an unsupported data type"
    )


@pytest.mark.parametrize("text", ["", "\x00\xff", "Edge TPU Compiler", "9" * 10_000])
def test_whatever_else_it_prints(text: str) -> None:
    log = read_log(text)
    assert (log.version, log.on_chip, log.on_cpu, log.statuses) == ("", None, None, {})


def test_numbers_of_thousands_of_digits_are_none() -> None:
    assert read_log(f"Number of operations that will run on CPU: {'9' * 5_000}").on_cpu is None
