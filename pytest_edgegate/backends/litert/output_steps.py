"""The quantisation steps of the outputs of a .tflite file."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.backends.litert.inspector import INSPECTOR


def output_steps(path: Path) -> list[float | None]:
    """The scale of each output, or of the integers that a float one is made of."""
    described = INSPECTOR.describe(path)
    makers = {each.outputs[0].name: each.inputs[0] for each in described.operators if each.inputs}
    integers = [each if each.scales else makers.get(each.name) for each in described.outputs]
    return [
        each.scales[0] if each is not None and len(each.scales) == 1 else None for each in integers
    ]
