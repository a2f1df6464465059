"""Files as other pipelines publish them, each beside its faulty twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from pytest_edgegate.backends.litert.schema import import_schema
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.digests import file_digest

QUICK = (Budget("accuracy_drop", 0.01),)

_DECODING = {
    "max_detections": 2,
    "max_classes_per_detection": 1,
    "detections_per_class": 2,
    "use_regular_nms": False,
    "nms_score_threshold": 0.0,
    "nms_iou_threshold": 0.5,
    "num_classes": 4,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def end_in_detections(surgery: Any) -> None:
    """The ten outputs as five scores of two boxes, decoded as in the files of SSD detectors."""
    schema = import_schema()
    codes, types = schema.BuiltinOperator, schema.TensorType
    scores = _reshaped(surgery, surgery.graph.outputs[0], (1, 2, 5))
    boxes = _quantised(surgery, "boxes", np.full((1, 2, 4), 100, np.uint8))
    anchors = _quantised(surgery, "anchors", np.arange(8, dtype=np.uint8).reshape(2, 4) * 30)
    outputs = [
        _added(surgery, name, shape, types.FLOAT32)
        for name, shape in (
            ("TFLite_Detection_PostProcess", (1, 2, 4)),
            ("TFLite_Detection_PostProcess:1", (1, 2)),
            ("TFLite_Detection_PostProcess:2", (1, 2)),
            ("TFLite_Detection_PostProcess:3", (1,)),
        )
    ]
    decode = schema.OperatorT()
    decode.opcodeIndex = surgery.add_code(codes.CUSTOM)
    surgery.model.operatorCodes[decode.opcodeIndex].customCode = b"TFLite_Detection_PostProcess"
    surgery.model.operatorCodes[decode.opcodeIndex].version = 1
    decode.customOptions = np.frombuffer(flexbuffers.Dumps(_DECODING), np.uint8)
    decode.inputs = np.array([boxes, scores, anchors], np.int32)
    decode.outputs = np.array(outputs, np.int32)
    surgery.graph.operators.append(decode)
    surgery.graph.outputs = np.array(outputs, np.int32)
    surgery.model.signatureDefs = None


def _added(surgery: Any, name: str, shape: tuple[int, ...], kind: int) -> int:
    at = surgery.add_tensor(surgery.output, name, kind)
    surgery.graph.tensors[at].shape = np.array(shape, np.int32)
    return int(at)


def _quantised(surgery: Any, name: str, values: Any) -> int:
    """A constant in uint8 with the scale of the output."""
    schema = import_schema()
    at = _added(surgery, name, values.shape, schema.TensorType.UINT8)
    tensor, buffer = surgery.graph.tensors[at], schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    surgery.model.buffers.append(buffer)
    tensor.buffer = len(surgery.model.buffers) - 1
    tensor.quantization = surgery.output.quantization
    return at


def _reshaped(surgery: Any, at: int, shape: tuple[int, ...]) -> int:
    schema = import_schema()
    made = _added(surgery, "scores", shape, surgery.graph.tensors[at].type)
    surgery.graph.tensors[made].quantization = surgery.graph.tensors[at].quantization
    reshape = schema.OperatorT()
    reshape.opcodeIndex = surgery.add_code(schema.BuiltinOperator.RESHAPE)
    surgery.model.operatorCodes[reshape.opcodeIndex].version = 1
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = schema.ReshapeOptionsT()
    reshape.builtinOptions.newShape = np.array(shape, np.int32)
    reshape.inputs, reshape.outputs = np.array([at], np.int32), np.array([made], np.int32)
    surgery.graph.operators.append(reshape)
    return made


def test_floats_at_the_inputs_and_outputs_are_told(gate: Any) -> None:
    judged = gate.judge(gate.model.parent / "digits_float_io.tflite", QUICK)
    assert judged.red == set()
    note = judged.verdicts["contract"].note
    assert "caution: left to the CPU of coral: " in note
    assert note.count("(float32)") == 2


def end_in_float_softmax(surgery: Any) -> None:
    """The scores are dequantised before the last layer of the model, which is left in float."""
    schema = import_schema()
    real, last = schema.TensorType.FLOAT32, surgery.graph.outputs[0]
    scores, softmax = (surgery.add_tensor(surgery.output, each, real) for each in ("z", "p"))
    for kind, given, made in (("DEQUANTIZE", last, scores), ("SOFTMAX", scores, softmax)):
        added = schema.OperatorT()
        added.opcodeIndex = surgery.add_code(getattr(schema.BuiltinOperator, kind))
        added.inputs, added.outputs = np.array([given], np.int32), np.array([made], np.int32)
        surgery.graph.operators.append(added)
    added.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    added.builtinOptions = schema.SoftmaxOptionsT()
    added.builtinOptions.beta = 1.0
    surgery.graph.outputs = np.array([softmax], np.int32)
    surgery.model.signatureDefs = None


def test_a_float_softmax_is_more_than_an_output_in_float(gate: Any, damaged: Any) -> None:
    judged = gate.judge(damaged(end_in_float_softmax), ())
    assert judged.red == {"contract"}
    assert "(p): runs in float" in judged.text
    assert "output p: float32, where coral takes uint8 or int8" in judged.text


def test_floats_at_the_inputs_and_outputs_of_an_artifact_are_red(gate: Any) -> None:
    """The same bytes, by the recipe that promises integers."""
    path = gate.model.parent / "digits_float_io.tflite"
    promised = replace(gate.healthy, path=path, files=(path,), sha256=file_digest(path))
    judged = gate.judge(promised, ())
    assert judged.red == {"contract"}
    assert judged.verdicts["contract"].measured.value == 2
    assert "float32, where coral takes uint8 or int8" in judged.text


def test_detections_decoded_on_the_cpu_are_told(gate: Any, damaged: Any) -> None:
    judged = gate.judge(damaged(end_in_detections), ())
    assert judged.red == set()
    note = judged.verdicts["contract"].note
    assert note.count("(float32)") == 4
    assert "CUSTOM:TFLite_Detection_PostProcess #" in note


def test_a_float_layer_before_the_detections_is_red(gate: Any, damaged: Any, in_float: Any) -> None:
    def both(surgery: Any) -> None:
        end_in_detections(surgery)
        in_float(surgery)

    judged = gate.judge(damaged(both), ())
    assert judged.red == {"contract"}
    assert "(fallback/out): runs in float" in judged.text
    first, behind = judged.verdicts["contract"].details
    assert "(fallback/out): runs in float" in first
    assert behind.startswith("13 operators ("), "what depends on it stays on the CPU, too"


def free_batch(surgery: Any) -> None:
    surgery.input.shapeSignature = np.array([-1, 28, 28, 1], np.int32)


def free_height(surgery: Any) -> None:
    surgery.input.shapeSignature = np.array([1, -1, 28, 1], np.int32)


@pytest.mark.parametrize(("fault", "red"), [(free_batch, set()), (free_height, {"contract"})])
def test_what_a_board_with_static_shapes_takes(
    gate: Any, damaged: Any, fault: Any, red: set[str]
) -> None:
    judged = gate.judge(damaged(fault), QUICK)
    assert judged.red == red
    if red:
        assert "dynamic shape (1, -1, 28, 1) on a target with static shapes" in judged.text
        assert "export the file again with fixed shapes" in judged.text
