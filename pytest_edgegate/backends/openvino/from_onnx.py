"""ONNX files to OpenVINO IR, by OpenVINO's own reader."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.lost_metadata import of_onnx
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.openvino.ir import weights_file
from pytest_edgegate.backends.openvino.runtime import import_openvino
from pytest_edgegate.backends.openvino.telemetry import unreported
from pytest_edgegate.backends.tools import tool_errors
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target

_MADE_BY = b"\n\t<rt_info>\n"
"""Begins what says how and from which file the IR was made: nothing that a runtime reads."""


class OnnxToOpenVino(TransformDefaults):
    """Float export; batch and names as in the ONNX file."""

    version = 3
    packages = ("openvino",)
    moves = (Move(("onnx", "float32"), None, ("openvino", "float32")),)

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        openvino = import_openvino()
        assert model.path is not None  # the format onnx is always a file
        with held_native_output(), tool_errors(lambda error: _conversion_error(model, error)):
            with unreported():
                converted = openvino.convert_model(str(model.path))
            made = save(converted, out / f"{model.name}.xml")
        return replace(made, facts=of_onnx(model.path))


def save(model: Any, main: Path, *, half: bool = False) -> Produced:
    """Writes .xml and .bin, the same bytes each time, and nothing of where they were made.

    *half* stores the weights as float16.
    """
    openvino = import_openvino()
    _name_unnamed(model)
    openvino.save_model(model, str(main), compress_to_fp16=half)
    content = main.read_bytes()
    head, tag, _ = content.rpartition(_MADE_BY)  # layers have such tags too, before it
    main.write_bytes(head.rstrip() + b"\n</net>\n" if tag else content)
    return Produced(main, (main, weights_file(main)))


def _name_unnamed(model: Any) -> None:
    """Names by their place what nobody named, which has a counter of the process in its name."""
    for at, node in enumerate(model.get_ordered_ops()):
        kind = node.get_type_name()
        if kind == "Constant" or re.search(r"_\d+$", node.get_friendly_name()):
            node.set_friendly_name(f"{kind}_{at}")
        for body in bodies(node):
            _name_unnamed(body)


def bodies(node: Any) -> tuple[Any, ...]:
    """The models within a node: those of a loop and of a choice."""
    if node.get_type_name() == "If":
        return (node.get_function(0), node.get_function(1))
    return (node.get_function(),) if hasattr(node, "get_function") else ()


def _conversion_error(model: SourceModel, error: Exception) -> EdgeGateError:
    text = " ".join(str(error).split())
    missing = re.search(r"(?:No translation|not supported|Unsupported)[^.]{0,200}", text)
    if missing:
        return UnsupportedError(
            f"OpenVINO can't translate {model.name}: {missing.group(0)}",
            "replace those layers by ones of standard ONNX operators",
        )
    return CompressionError(
        f"OpenVINO failed to convert {model.name}: {text[:300]}",
        "OpenVINO's own traceback is at --tb=long",
    )


TRANSFORM = OnnxToOpenVino()
