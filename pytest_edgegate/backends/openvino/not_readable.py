"""What OpenVINO says of a whole file that it can't read, in the gate's words."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_edgegate.backends.not_readable import installed, lacks_operator
from pytest_edgegate.core.errors import InferenceError

_OPSET = re.compile(r"Cannot create (\S+) layer .* from unsupported opset: (\S+)")
_TYPE = re.compile(r"Opset (\S+) doesn't contain the operation with type: (\S+)")
_OWN = re.compile(r"opset\d+")
_UPGRADE = (
    "pip install --upgrade openvino, if the device's runtime is as new; else convert the model "
    "with the OpenVINO of that runtime"
)
_WITHOUT = "convert it from a model without that operator"


def not_readable(path: Path, reason: str) -> InferenceError | None:
    """The error for a file that OpenVINO refused with *reason*; None for a damaged one."""
    runtime = installed("openvino", "OpenVINO")
    if found := _OPSET.search(reason):
        operator = f"{found[1]} of {found[2]}"
        if _OWN.fullmatch(found[2]):
            having = "a newer OpenVINO has it"
            return lacks_operator(path, operator, runtime, having, _UPGRADE)
        having = f"only an OpenVINO with the extension that registers {found[2]} has it"
        return lacks_operator(path, operator, runtime, having, _WITHOUT)
    if found := _TYPE.search(reason):
        operator = f"{found[2]} of {found[1]}"
        having = "another version of OpenVINO may have it"
        return lacks_operator(path, operator, runtime, having, _WITHOUT)
    return None
