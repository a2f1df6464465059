"""Float .tflite files to int8 and float16, by ai-edge-quantizer. TensorFlow is not needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.calibration import minmax_only
from pytest_edgegate.backends.litert.batch import fix_batch
from pytest_edgegate.backends.litert.inputs_outputs import (
    change_integer_io,
    drop_unused_tensors,
    ensure_signature,
    make_names_unique,
)
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.metadata import Metadata
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed, tool_errors
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import (
    CompressionError,
    UnsupportedError,
)
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import PTQ, Cast, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array

_SOURCE = ("litert", "float32")


class LiteRTQuantizer(TransformDefaults):
    """Full-integer PTQ with a static batch of 1, and float16 weights.

    Operators without int8 support in ai-edge-quantizer stay float; the gate reports them.
    """

    version = 2
    packages = ("ai-edge-quantizer", "ai-edge-litert", "flatbuffers", "ml_dtypes", "numpy")
    moves = (
        Move(_SOURCE, PTQ, ("litert", "int8")),
        Move(_SOURCE, Cast, ("litert", "float16")),
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return minmax_only(step, "ai-edge-quantizer")

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io, "per_channel_dense": target.per_channel_dense}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        path = _path_of(model)
        described = INSPECTOR.describe(path)
        _refuse_what_is_not_float(path, described)
        if isinstance(step, PTQ):
            _refuse_loops(path, described)
        source = _Source.of(path)
        recipe = _Recipe(step, target)
        samples = (
            data.calibration(step.samples, described.inputs) if isinstance(step, PTQ) else None
        )
        with held_native_output():
            quantizer = _quantizer()
            with tool_errors(lambda error: _failed(path, described, error)):
                content = _quantised(quantizer, source, recipe, samples)
        main = out / f"{model.name}.tflite"
        main.write_bytes(content)
        finished = unpack(main)
        if isinstance(step, PTQ):
            change_integer_io(finished, target.default_io)
        source.metadata.put_into(finished)
        main.write_bytes(source.metadata.behind(pack(finished)))
        note = source.metadata.note
        return Produced(main, (main,), facts={"note": note} if note else {})


@dataclass(frozen=True)
class _Source:
    """A float file as the quantizer takes it: fixed shapes, a signature, each name once."""

    content: bytes
    signature: str
    metadata: Metadata
    inputs: tuple[str, ...]
    """The names that the signature gives the inputs, in the file's order."""

    @classmethod
    def of(cls, path: Path) -> _Source:
        """Raises UnsupportedError for what can't be made so."""
        model = unpack(path)
        if len({each.subgraphIndex for each in model.signatureDefs or []}) > 1:
            raise UnsupportedError(
                f"{path.name} has several signatures, and samples are for one",
                "convert the model again with the one function that the board runs",
            )
        metadata = Metadata.of(model, path)
        fix_batch(model, path)
        drop_unused_tensors(model)
        make_names_unique(model)
        signature, inputs = ensure_signature(model)
        return cls(pack(model), signature, metadata, inputs)


@dataclass(frozen=True)
class _Recipe:
    """The settings of the quantizer."""

    step: Step | None
    target: Target

    def rules(self) -> Any:
        """A RecipeManager of ai-edge-quantizer; a later rule for an operator goes first."""
        from ai_edge_quantizer import qtyping, recipe_manager
        from ai_edge_quantizer.algorithm_manager import AlgorithmName

        rules = recipe_manager.RecipeManager()
        every, dense = (
            qtyping.TFLOperationName.ALL_SUPPORTED,
            qtyping.TFLOperationName.FULLY_CONNECTED,
        )
        if not isinstance(self.step, PTQ):
            rules.add_weight_only_config(".*", every, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)
            return rules
        whole, each = qtyping.QuantGranularity.TENSORWISE, qtyping.QuantGranularity.CHANNELWISE
        rules.add_static_config(".*", every, 8, 8, each if self.step.per_channel else whole)
        if not self.target.per_channel_dense:
            rules.add_static_config(".*", dense, 8, 8, whole)
        return rules


def _quantised(
    quantizer: Any, source: _Source, recipe: _Recipe, samples: Iterable[tuple[Array, ...]] | None
) -> bytes:
    rules = recipe.rules()
    work = quantizer.Quantizer(source.content, rules.get_quantization_recipe())
    ranges = None if samples is None else _ranges(source, rules, samples)
    made = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(made.quantized_model)


def _ranges(source: _Source, rules: Any, samples: Iterable[tuple[Array, ...]]) -> Any:
    """The least and the greatest value of every tensor over all samples.

    Quantizer.calibrate would give a moving average of the two, in which late samples count most and
    the extremes do not count in full. One call a sample: the calibrator goes over what it gets
    twice, keeps it all, and resets recurrent state only at its end.
    """
    from ai_edge_quantizer import calibrator
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    work = calibrator.Calibrator(source.content, num_threads=1, qsv_update_func=min_max_update)
    for sample in samples:
        feed = dict(zip(source.inputs, sample, strict=True))
        work.calibrate({source.signature: [feed]}, rules)
    return work.get_model_qsvs()


def _quantizer() -> ModuleType:
    with needed("ai-edge-quantizer", "quantising a .tflite file", "litert"):
        from ai_edge_quantizer import quantizer
    module: ModuleType = quantizer
    return module


def _path_of(model: SourceModel) -> Path:
    if model.path is None:
        raise UnsupportedError(
            f"{model.name} is not a file, but only .tflite files can be quantised here",
            "save it as a .tflite file and give its path",
        )
    return model.path


def _refuse_what_is_not_float(path: Path, described: ModelDescription) -> None:
    """A file that is quantised in part, or has float16 weights: its numbers are rounded already."""
    offenders = [
        each.name
        for each in described.operators
        if any(
            tensor is not None and (tensor.scales or tensor.dtype == "float16")
            for tensor in (*each.inputs, *each.outputs)
        )
    ]
    if offenders:
        more = f" and {len(offenders) - 3} more" if len(offenders) > 3 else ""
        raise UnsupportedError(
            f"{path.name} is quantised in part: {', '.join(offenders[:3])}{more}",
            "give the float file that it was made from",
        )


def _refuse_loops(path: Path, described: ModelDescription) -> None:
    """The calibrator sees no tensor inside of a loop."""
    loops = [each.name for each in described.operators if each.kind == "WHILE"]
    if loops:
        raise UnsupportedError(
            f"{path.name} has loops ({', '.join(loops[:3])}), which ai-edge-quantizer can't "
            "calibrate",
            "give the Keras model that it was made from, whose recurrent layers are unrolled for "
            "int8; a loop of your own as a Python loop over a fixed number of steps",
        )


def _failed(path: Path, described: ModelDescription, error: Exception) -> CompressionError:
    """Names the operator whose tensor, or kind, the quantizer's message speaks of."""
    text = " ".join(str(error).split()) or "(no message)"

    def is_named(name: str) -> bool:
        return bool(name) and re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", text) is not None

    spoken_of = [
        each.name
        for each in described.operators
        if is_named(each.kind) or any(is_named(tensor.name) for tensor in each.outputs)
    ]
    place = f" at {spoken_of[0]}" if spoken_of else ""
    return CompressionError(
        f"ai-edge-quantizer failed on {path.name}{place}: {type(error).__name__}: {text[:300]}",
        "write that layer with other operators, or gate a float artifact; the quantizer's own "
        "traceback is at --tb=long",
    )


TRANSFORM = LiteRTQuantizer()
