"""Float .onnx to int8 in QDQ format, or to float16, by ONNX Runtime's own tools."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, import_onnx, open_model, write
from pytest_edgegate.backends.onnx.preparing import outputs, prepared
from pytest_edgegate.backends.onnx.runtime import import_onnxruntime
from pytest_edgegate.backends.other_floats import OTHER_FLOATS
from pytest_edgegate.backends.tools import all_lines, tool_errors
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import (
    CompressionError,
    ConfigurationError,
    EdgeGateError,
    UnsupportedError,
    nearest,
)
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import PTQ, Cast, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.tidy.scratch import SCRATCH

METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
"""Calibration methods, under ONNX Runtime's names."""
_OTHER_NAMES = {"kl": "entropy", "kld": "entropy", "max": "minmax", "quantile": "percentile"}
"""Under which other tools have them: entropy calibration minimises the KL divergence."""
_AT_ONCE = 500_000_000
"""The bytes of activations that are held at once for histograms."""
_UNPREPARED = (
    "{name} was quantised without ONNX Runtime's quant_pre_process ({why}): normalisation that is "
    "not folded into convolutions stays in float"
)
_PER_CHANNEL_SINCE = 13
"""The opset in which DequantizeLinear got an axis."""
_LARGEST = 65504
"""The largest finite float16."""


class InvalidModelError(Exception):
    """ONNX Runtime's quantiser has made a file that ONNX Runtime does not run."""


class CompressOnnx(TransformDefaults):
    """PTQ to QDQ with int8 weights, and Cast to float16 with float inputs and outputs.

    Activations have the target's dtype: uint8 on x86 (where ONNX Runtime leaves more of a model
    with int8 activations in float), symmetric int8 for TensorRT, whose parser refuses zero points
    other than 0 and biases in integers.
    """

    version = 4
    packages = ("onnx", "onnxruntime")
    moves = (
        Move(("onnx", "float32"), PTQ, ("onnx", "int8")),
        Move(("onnx", "float32"), Cast, ("onnx", "float16")),
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        if isinstance(step, PTQ) and step.method not in METHODS:
            return (
                f"ONNX Runtime does not calibrate by {step.method!r}{_meant(step.method)}",
                f"write PTQ({step.samples}), or method= one of {', '.join(sorted(METHODS))}",
            )
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"activations": target.activations}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        source = model.path
        assert source is not None  # the format onnx is always a file
        main = out / f"{model.name}.onnx"
        import_onnxruntime()
        notes: tuple[str, ...] = ()
        with tool_errors(lambda error: _compression_error(model, step, error)):
            if isinstance(step, PTQ):
                notes = _quantise(source, main, step, target, data)
            else:
                write(_with_metadata(cleaned(_float16(source)), source), main)
        return Produced(main, (main,), notes)


def _quantise(
    source: Path, main: Path, step: PTQ, target: Target, data: TransformData
) -> tuple[str, ...]:
    """Writes the int8 file to *main*; returns notes about how it was made."""
    described = INSPECTOR.describe(source)
    samples = data.calibration(step.samples, described.inputs)
    names = [each.name for each in described.inputs]
    _refuse_old(source, step)
    _refuse_other_floats(source, described)
    first = next(iter(samples), None)  # data that does not fit is refused before any work
    if first is None:
        raise ConfigurationError(
            "edge_data has no calibration samples, and int8 takes its ranges from them",
            "return EdgeData(calibration=x_train[:200], ...)",
        )
    feeds = dict(zip(names, first, strict=True))

    count = 0 if step.method == "minmax" else sum(1 for _ in samples)
    part = _part(count, described) if count else 0

    def quantise(path: Path) -> None:
        given = (dict(zip(names, each, strict=True)) for each in samples)
        write(
            _with_metadata(cleaned(_int8(path, given, (count, part), step, target)), source), main
        )
        (failed,) = outputs(main, [feeds])
        if isinstance(failed, str):
            raise InvalidModelError(failed)

    with tempfile.TemporaryDirectory(dir=SCRATCH.folder()) as folder, held_native_output():
        whole, ready = (Path(folder) / f"{name}.onnx" for name in ("whole", "ready"))
        whole.write_bytes(open_model(source).SerializeToString())  # no weights beside it any more
        why = prepared(whole, ready, feeds)
        if why:
            quantise(whole)
        else:
            why = _first_that_can_be(quantise, ready, whole)
    why = why.replace(f"{folder}{os.sep}", "")
    return (_UNPREPARED.format(name=source.name, why=why),) if why else ()


def _first_that_can_be(quantise: Callable[[Path], None], ready: Path, whole: Path) -> str:
    """Quantises the prepared file, or else the whole one; returns what was wrong with the first.

    Raises what the first one raised where neither can be quantised.
    """
    try:
        quantise(ready)
    except EdgeGateError:
        raise
    except Exception as error:  # noqa: BLE001 - of many kinds: it is raised again, or told
        try:
            quantise(whole)
        except Exception:  # noqa: BLE001 - that of the prepared file tells more
            raise error from None
        return all_lines(error)
    return ""


def _int8(
    path: Path,
    samples: Iterator[dict[str, Any]],
    sizes: tuple[int, int],
    step: PTQ,
    target: Target,
) -> Any:
    """The ModelProto of a file after quantisation by ONNX Runtime's tool.

    *sizes*: the number of samples, and of those whose activations are held at once; 0 for a method
    that makes no histograms.
    """
    count, part = sizes
    onnx = import_onnx()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left: float = math.inf

        def __len__(self) -> int:
            return count

        def set_range(self, start_index: int, end_index: int) -> None:
            """Begins the next part; parts are read in their order."""
            self.left = end_index - start_index

        def get_next(self) -> Any:
            self.left -= 1
            return None if self.left < 0 else next(samples, None)

    quantised = path.with_name(f"{path.stem}_int8.onnx")
    symmetric = target.activations == "int8"
    quantize_static(
        str(path),
        str(quantised),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=step.per_channel,
        calibrate_method=getattr(CalibrationMethod, METHODS[step.method]),
        extra_options={
            "ActivationSymmetric": symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": not symmetric,
            **({"CalibStridedMinMax": part} if part else {}),
        },
    )
    return onnx.load(str(quantised))


def _part(count: int, described: ModelDescription) -> int:
    """The number of samples whose activations fit into ``_AT_ONCE``, and that divides *count*.

    Histograms are made of every activation of all samples that are collected at once: 69 MB each on
    EfficientNet-Lite0. ONNX Runtime's option for parts takes only those of one size, and holds for
    every method, whatever it is called.
    """
    made = (each for one in described.operators for each in one.outputs)
    one = sum(4 * math.prod(max(size, 1) for size in each.shape[1:]) for each in made)
    most = min(max(_AT_ONCE // max(one, 1), 1), count)
    return max(each for each in range(1, most + 1) if count % each == 0)


def _float16(source: Path) -> Any:
    _refuse_large(source)
    with held_native_output():
        from onnxruntime.transformers.float16 import convert_float_to_float16
        from onnxruntime.transformers.onnx_model import OnnxModel

        made = OnnxModel(convert_float_to_float16(open_model(source), keep_io_types=True))
        made.topological_sort()  # the casts of inputs are put last, wherever they belong
        return made.model


def _with_metadata(made: Any, source: Path) -> Any:
    """The model with what the *source* says of itself: labels, strides, versions."""
    made.metadata_props.extend(open_model(source, weights=False).metadata_props)
    return made


def _refuse_large(source: Path) -> None:
    """The tool makes the largest float16 of a weight that is beyond it, and says nothing.

    Bounds and masks beside the weights may be cut so: -65504 masks as well as -3e38.
    """
    onnx = import_onnx()
    operators = INSPECTOR.describe(source).operators
    weights = {each.inputs[each.weights_at] for each in operators if each.weights_at is not None}
    names = {each.name for each in weights if each is not None}
    for tensor in open_model(source).graph.initializer:
        if tensor.name in names:
            largest = float(np.abs(onnx.numpy_helper.to_array(tensor)).max(initial=0))
            if not largest <= _LARGEST:
                raise CompressionError(
                    f"the weights {tensor.name} of {source.name} reach {largest:g}, and the "
                    f"largest float16 is {_LARGEST}",
                    "keep the model in float32, or scale that layer down in training",
                )


def _refuse_other_floats(source: Path, described: ModelDescription) -> None:
    """Refuses what ONNX Runtime's quantiser would leave in float without a word."""
    for each in described.operators:
        weights = None if each.weights_at is None else each.inputs[each.weights_at]
        if weights is not None and weights.dtype in OTHER_FLOATS:
            raise UnsupportedError(
                f"{source.stem} has {weights.dtype} weights ({each.name}), and int8 starts from "
                "float32",
                "give the model in float32 (set_dtype_policy('float32') of keras.config before it "
                "is built, model.float() of torch), or write Cast('float16') in place of PTQ",
            )


def _refuse_old(source: Path, step: PTQ) -> None:
    model = open_model(source, weights=False)
    version = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if version < _PER_CHANNEL_SINCE and step.per_channel:
        raise UnsupportedError(
            f"{source.name} is of opset {version}, and int8 with a scale for each channel needs "
            f"{_PER_CHANNEL_SINCE}",
            f"export it with opset {OPSET}, lift it by onnx.version_converter.convert_version"
            f"(model, {OPSET}), or write PTQ(per_channel=False)",
        )


def _compression_error(model: SourceModel, step: Step | None, error: Exception) -> EdgeGateError:
    text = " ".join(str(error).split())[:300]
    if "Too many bins" in text:
        return CompressionError(
            f"percentile calibration failed on {model.name}: {text}",
            "an activation hardly moves on the calibration samples: write PTQ(method='minmax'), "
            "or give samples that are more alike to real ones",
        )
    return CompressionError(
        f"ONNX Runtime's tools failed at {step} on {model.name}: {text}",
        "the tool's own traceback is at --tb=long",
    )


TRANSFORM = CompressOnnx()


def _meant(method: str) -> str:
    """``, did you mean 'entropy'?``, or an empty string."""
    return nearest(_OTHER_NAMES.get(str(method).lower(), str(method)), sorted(METHODS))
