"""Prepares an .onnx file for quantisation, where ONNX Runtime's own preparation does so rightly.

``quant_pre_process`` folds normalisation into convolutions and infers shapes. There are files that
it fails on, and files that it makes an invalid or another model of: these are quantised as they
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.onnx.runtime import import_onnxruntime
from pytest_edgegate.backends.tools import all_lines
from pytest_edgegate.data.splits import Array

Sample = Mapping[str, Array]
Outputs = list[Any] | str
"""The outputs of a file, or why it gives none."""
_CLOSE = 1e-3
"""How far an output may move, relative to its largest magnitude: rounding moves it by 1e-5."""


def prepared(source: Path, out: Path, sample: Sample) -> str:
    """Writes the prepared file to *out*; returns why it is not to be used, or nothing.

    *sample* has an array of shape (1, ...) for each input. Both files have to give the same for it,
    and for two of it if the source takes two.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(source), str(out), skip_symbolic_shape=True)
    except Exception as error:  # noqa: BLE001 - its parts raise many kinds; the reason is told
        return all_lines(error)
    batches = (sample, {name: np.repeat(each, 2, axis=0) for name, each in sample.items()})
    pairs = zip(outputs(source, batches), outputs(out, batches), strict=True)
    return next(filter(None, (_fault(expected, found) for expected, found in pairs)), "")


def outputs(path: Path, batches: Sequence[Sample]) -> list[Outputs]:
    """What a file gives for each batch without further optimisation."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's have no common base; it is told
        return [_does_not_run(error)] * len(batches)
    return [_run(session, each) for each in batches]


def _run(session: Any, batch: Sample) -> Outputs:
    try:
        found: list[Any] = session.run(None, dict(batch))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's have no common base; it is told
        return _does_not_run(error)
    return found


def _does_not_run(error: Exception) -> str:
    return f"what it makes does not run ({all_lines(error)})"


def _fault(expected: Outputs, found: Outputs) -> str:
    """Nothing where there is nothing to compare with: the calibration will say why."""
    if isinstance(expected, str):
        return ""
    return found if isinstance(found, str) else _difference(expected, found)


def _difference(expected: list[Any], found: list[Any]) -> str:
    for one, other in zip(expected, found, strict=True):
        if isinstance(one, np.ndarray) and not _alike(one, other):
            return "what it makes computes something else"
    return ""


def _alike(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    wide = one.astype(np.float64), other.astype(np.float64)
    scale = float(np.abs(wide[0][np.isfinite(wide[0])]).max(initial=0.0))
    return np.allclose(*wide, rtol=0, atol=_CLOSE * max(scale, _CLOSE), equal_nan=True)
