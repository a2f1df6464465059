"""Converts torch programs from quantisation-aware training to integer .tflite files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.from_torch import ConversionOptions, write_converted
from pytest_edgegate.backends.litert.inputs_outputs import change_integer_io
from pytest_edgegate.backends.litert.integer_program import (
    IntegerProgram,
    in_integers,
    with_rescalings,
)
from pytest_edgegate.backends.litert.output_steps import output_steps
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.torch_programs import agreement_with_file
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.laid_out import LaidOutRunner


class TorchInt8ToLiteRT(TransformDefaults):
    """A static batch of 1, images with their channels last, the target's inputs and outputs.

    The file and the program are compared on samples; a disagreement is an error.
    """

    version = 1
    packages = ("torch", "litert-torch", "litert-converter", "jax", "ai-edge-litert")
    moves = (Move(("torch", "int8"), None, ("litert", "int8")),)

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        """Leaves a target that would rather have the .onnx file of the same program to it.

        OpenVINO takes both, and runs depthwise convolutions of a .tflite in float.
        """
        formats = [each for each in target.formats if each in ("onnx", "litert")]
        if formats == ["onnx", "litert"]:
            return f"{target.name} takes .onnx before .tflite", "let it have the .onnx file"
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        def finish(made: Any) -> None:
            with_rescalings(made)
            change_integer_io(made, target.default_io)

        loaded = model.load()
        main = out / f"{model.name}.tflite"
        layout = write_converted(
            model, main, ConversionOptions(IntegerProgram, in_integers, finish)
        )
        opened = LaidOutRunner(XNNPACK.open(main), layout)
        apart = agreement_with_file(loaded, data, opened, output_steps(main), main.name)
        return Produced(main, (main,), loaded.notes, layout, {"agreement": apart})


TRANSFORM = TorchInt8ToLiteRT()
