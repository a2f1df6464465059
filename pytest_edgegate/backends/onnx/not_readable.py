"""What ONNX Runtime says of a whole file that it can't read, in the gate's words."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_edgegate.backends.not_readable import installed, lacks_operator, too_new
from pytest_edgegate.core.errors import InferenceError

_FOREIGN = re.compile(r"Fatal error: ([\w.-]*):(\w+)\(-?\d+\) is not a registered function/op")
_UNKNOWN = re.compile(r"No Op registered for (\w+) with domain_version of (\d+)")
_MISSING = re.compile(r"Could not find an implementation for ([\w.:]+)\((\d+)\)")
_IR = re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)")
_OPSET = re.compile(r"Opset (\d+) is under development.*?domain (\S+) is till opset (\d+)", re.S)
_OWNERS = {
    "com.microsoft": "another version of ONNX Runtime may have it",
    "ai.onnx.contrib": "ONNX Runtime with the package onnxruntime-extensions has it",
    "TRT": "TensorRT has it, with its plugins",
    "trt.plugins": "TensorRT has it, with its plugins",
    "org.openvinotoolkit": "OpenVINO has it",
    "mmdeploy": "a runtime with MMDeploy's operators has it",
}
"""The runtimes that have the operators of a domain."""
_WITHOUT = "export it without that operator, for example as operators of ONNX itself"
_UPGRADE = (
    "pip install --upgrade onnxruntime, if the device's runtime is as new; else export it with an "
    "older opset"
)


def not_readable(path: Path, reason: str) -> InferenceError | None:
    """The error for a file that ONNX Runtime refused with *reason*; None for a damaged one."""
    runtime = installed("onnxruntime", "ONNX Runtime")
    if found := _FOREIGN.search(reason):
        domain, operator = found[1] or "ai.onnx", found[2]
        library = f"only a runtime that the library of the domain {domain} is registered in has it"
        having = _OWNERS.get(domain, library)
        return lacks_operator(path, f"{domain}:{operator}", runtime, having, _WITHOUT)
    if found := _UNKNOWN.search(reason):
        return _not_in_opset(path, found[1], int(found[2]), runtime)
    if found := _MISSING.search(reason):
        operator = f"{found[1]} of opset {found[2]} for these dtypes"
        having = "a newer ONNX Runtime, or one for another processor, may have it"
        return lacks_operator(path, operator, runtime, having, _WITHOUT)
    if (found := _IR.search(reason)) and int(found[1]) > int(found[2]):
        newest = f"IR version {found[2]}"
        return too_new(path, f"IR version {found[1]}", runtime, newest, _UPGRADE)
    if found := _OPSET.search(reason):
        version = f"opset {found[1]} of the domain {found[2]}"
        return too_new(path, version, runtime, f"opset {found[3]}", _UPGRADE)
    return None


def _not_in_opset(path: Path, operator: str, opset: int, runtime: str) -> InferenceError:
    """For an operator of ONNX itself: each belongs to it from some opset on."""
    from pytest_edgegate.backends.onnx.model_file import import_onnx

    onnx = import_onnx()
    named = f"{operator} in opset {opset}"
    try:
        since = onnx.defs.get_schema(operator).since_version
    except onnx.defs.SchemaError:
        having = "ONNX itself has none of that name"
        return lacks_operator(path, named, runtime, having, _WITHOUT)
    having = f"a runtime of opset {since} has it, where ONNX introduced it"
    way = f"export it with opset {since} or newer, or without that operator"
    return lacks_operator(path, named, runtime, having, way)
