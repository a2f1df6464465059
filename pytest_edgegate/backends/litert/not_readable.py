"""What the LiteRT interpreter says of a whole file that it can't read, in the gate's words."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_edgegate.backends.litert.schema import COMPILED_FOR
from pytest_edgegate.backends.not_readable import installed, lacks_operator, too_new
from pytest_edgegate.core.errors import InferenceError

_CUSTOM = re.compile(r"unresolved custom op: ([^\s]+?)\.?(?:\s|$)")
_FLEX = re.compile(r"Node number \d+ \(Flex(\w+)\)")
_VERSION = re.compile(r"builtin opcode '(\w+)' version '(\d+)'")
_SCHEMA = re.compile(r"schema version (\d+) not equal to supported version (\d+)")
_FURTHEST = 200
"""Versions beyond this are damage: operators are at version 13 at most."""
_UPGRADE = (
    "pip install --upgrade ai-edge-litert, if the device's runtime is as new; else convert the "
    "model with the TensorFlow or litert-torch of that runtime"
)


def not_readable(path: Path, reason: str) -> InferenceError | None:
    """The error for a file that the interpreter refused with *reason*; None for a damaged one."""
    runtime = installed("ai-edge-litert", "LiteRT")
    for code, compiled in COMPILED_FOR.items():
        if code in reason:
            return InferenceError(
                f"{path.name} is compiled for {compiled.chip}, and no CPU runs it",
                "give the file that it was compiled from",
            )
    if found := _FLEX.search(reason):
        return lacks_operator(
            path,
            f"Flex{found[1]} (TensorFlow's {found[1]})",
            runtime,
            "an interpreter with the Flex delegate has it, as in the package tensorflow",
            "convert it without tf.lite.OpsSet.SELECT_TF_OPS, from a model without that operator",
        )
    if found := _CUSTOM.search(reason):
        return lacks_operator(
            path,
            f"{found[1]} (a custom operator)",
            runtime,
            "only a runtime that its library registers it in has it",
            "convert it without allow_custom_ops, from a model without that operator",
        )
    return _newer(path, reason, runtime)


def _newer(path: Path, reason: str, runtime: str) -> InferenceError | None:
    if (found := _VERSION.search(reason)) and int(found[2]) <= _FURTHEST:
        operator = f"{found[1]} in version {found[2]}"
        return lacks_operator(path, operator, runtime, "a newer LiteRT may have it", _UPGRADE)
    if (found := _SCHEMA.search(reason)) and int(found[2]) < int(found[1]) <= _FURTHEST:
        newest = f"version {found[2]}"
        return too_new(path, f"schema version {found[1]}", runtime, newest, _UPGRADE)
    return None


def unknown_operator(path: Path, number: int, newest: int) -> InferenceError | None:
    """The error for a builtin operator by its *number*; None for a number that is damage."""
    if not newest < number <= newest + _FURTHEST:
        return None
    runtime = installed("ai-edge-litert", "LiteRT")
    return lacks_operator(path, f"number {number}", runtime, "a newer LiteRT may have it", _UPGRADE)
