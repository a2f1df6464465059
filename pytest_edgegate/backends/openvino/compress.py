"""Float IR to int8 by nncf, or to float16."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.calibration import minmax_only
from pytest_edgegate.backends.lost_metadata import note_on
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.openvino.from_onnx import save
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.runtime import import_openvino
from pytest_edgegate.backends.openvino.telemetry import unreported
from pytest_edgegate.backends.tools import needed, one_line, tool_errors
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import PTQ, Cast, Step
from pytest_edgegate.core.target import Target


class CompressOpenVino(TransformDefaults):
    """PTQ with inputs and outputs in float, and Cast of the stored weights to float16."""

    version = 3
    packages = ("openvino", "nncf")
    moves = (
        Move(("openvino", "float32"), PTQ, ("openvino", "int8")),
        Move(("openvino", "float32"), Cast, ("openvino", "float16")),
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return minmax_only(step, "nncf")

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        openvino = import_openvino()
        assert model.path is not None  # the format openvino is always a file
        main = out / f"{model.name}.xml"
        with held_native_output(), tool_errors(lambda error: _failed(model, step, error)):
            read = openvino.Core().read_model(str(model.path))
            told = note_on([_INFO] if read.has_rt_info(_INFO) else [], model.path.name)
            if isinstance(step, PTQ):
                made = save(_quantised(model.path, read, step, data), main)
            else:
                made = save(read, main, half=True)
        return replace(made, facts=told)


_INFO = "model_info"
"""What an application's own tools write into an IR: labels, sizes, kinds of models."""


def _failed(model: SourceModel, step: Step | None, error: Exception) -> CompressionError:
    return CompressionError(
        f"{step} failed on {model.name}: {one_line(error)}",
        "the tool's own traceback is at --tb=long",
    )


def _quantised(path: Path, read: Any, step: PTQ, data: TransformData) -> Any:
    samples = list(data.calibration(step.samples, INSPECTOR.describe(path).inputs))
    nncf = _import_nncf()
    feeds = [dict(enumerate(sample)) if len(sample) > 1 else sample[0] for sample in samples]
    return nncf.quantize(
        read,
        nncf.Dataset(feeds),
        preset=nncf.QuantizationPreset.MIXED,  # activations need not be symmetric on a CPU
        subset_size=len(samples),
        # The fast correction costs 2 dB on EfficientNet-Lite0 and 20 dB on a small network
        fast_bias_correction=False,
        advanced_parameters=_parameters(nncf, step),
    )


def _import_nncf() -> Any:
    """nncf, which decides at its import whether it reports its use."""
    with needed("nncf", "int8 for OpenVINO", "openvino"), unreported():
        import nncf
    return nncf


def _parameters(nncf: Any, step: PTQ) -> Any:
    from nncf.quantization.advanced_parameters import QuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return nncf.AdvancedQuantizationParameters(
        weights_quantization_params=QuantizationParameters(per_channel=step.per_channel),
        # By default the mean of each sample's extremes, which clips: 13 dB where this gives 45
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
    )


TRANSFORM = CompressOpenVino()
