"""Converts torch programs from quantisation-aware training to .onnx files that run in int8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_edgegate.backends.onnx.from_torch import write_exported
from pytest_edgegate.backends.onnx.integer_operators import in_integers, output_steps
from pytest_edgegate.backends.onnx.model_file import OPSET
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.torch_programs import agreement_with_file
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target


class TorchInt8ToOnnx(TransformDefaults):
    """int8 weights, activations of the dtype that the target wants, the batch as in the program.

    Biases are in 32-bit integers beside unsigned activations, and in float beside symmetric ones.
    The file and the program are compared on samples; a disagreement is an error.
    """

    version = 3
    packages = ("torch", "onnx", "onnxscript", "onnx_ir", "onnxruntime")
    moves = (Move(("torch", "int8"), None, ("onnx", "int8")),)

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"opset": OPSET, "activations": target.activations}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        loaded = model.load()
        main = out / f"{model.name}.onnx"
        write_exported(model, main, lambda made: in_integers(made, target.activations))
        apart = agreement_with_file(
            loaded, data, OPTIMISED.open(main), output_steps(main), main.name
        )
        return Produced(main, (main,), loaded.notes, facts={"agreement": apart})


TRANSFORM = TorchInt8ToOnnx()
