"""The parts of Keras models that leave operators which integer targets do not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_edgegate.backends.recurrent_models import FUSED, OF_LSTM_ONLY, ONE_DIRECTION
from pytest_edgegate.core.description import OperatorInfo, Origin

MASK = Origin(
    "a mask compares values in float (Masking, or a mask that a layer computes)",
    "give the mask as an input of its own (a boolean keras.Input that the recurrent layer gets as "
    "mask=), or take Masking out and train on sequences of one length",
)
STEPS = Origin(
    "UNPACK splits a sequence into its time steps, which is left of unrolled recurrent layers",
    f"gate it for a target with a CPU that runs it, raspberry-pi or one of your own; or {FUSED} "
    "(its Dense layers per tensor, where the target needs that: "
    "converter._experimental_disable_per_channel_quantization_for_dense_layers = True); "
    f"{ONE_DIRECTION}; {OF_LSTM_ONLY}",
)
BACKWARDS = Origin(
    "REVERSE_V2 turns a tensor round: a recurrent layer reads it backwards (Bidirectional, "
    "go_backwards=True), or tf.reverse does",
    "give what is reversed as an input of its own, reversed before the model (x[:, ::-1]), to a "
    "layer that reads it forwards",
)
LOOP = Origin(
    "WHILE runs a loop, over the time steps of a recurrent layer or one of your own",
    "let edge_ptq make the file of the Keras model, whose recurrent layers it unrolls, or build "
    "these with unroll=True and convert it again; a loop of your own (tf.while_loop, "
    "keras.ops.scan) as a Python loop",
)
QUANTIZER = Origin(
    "the quantizer of .tflite files has no integer form of a fused LSTM",
    "convert the tf-keras model that it was made from to int8, with a representative dataset and "
    "supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], and gate that file",
)
BATCH = Origin(
    "the file computes shapes of its own from a batch that it leaves free",
    "convert the model with a batch of 1: keras.Input(..., batch_size=1), or a concrete function "
    "of tf.TensorSpec((1, ...))",
)
IDS = Origin(
    "the model looks up ids that it is given as floats: their cast and the table stay in float",
    "declare that input in integers (keras.Input((12,), dtype='int32'), a torch or ONNX input of "
    "int64) for a target that takes them; for any other one cut the model behind its embedding, "
    "and give what that makes as its input",
)
_ALWAYS = {"SHAPE": BATCH, "REVERSE_V2": BACKWARDS, "WHILE": LOOP}
_IN_FLOAT = {"NOT_EQUAL": MASK, "UNIDIRECTIONAL_SEQUENCE_LSTM": QUANTIZER}


def with_origins(operators: Sequence[OperatorInfo]) -> tuple[OperatorInfo, ...]:
    """The operators of a file, with the parts that they come from where these show."""
    integer = any(_in_integers(each) for each in operators)
    looks_up = integer and any(each.kind in _TABLES for each in operators)
    return tuple(
        replace(each, origin=IDS if looks_up and _casts_ids(each) else _origin(each, integer))
        for each in operators
    )


_TABLES = {"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "ONE_HOT"}


def _casts_ids(operator: OperatorInfo) -> bool:
    to = {each.dtype for each in operator.outputs}
    return operator.kind == "CAST" and _takes_float(operator) and to <= {"int32", "int64"}


def _origin(operator: OperatorInfo, integer: bool) -> Origin | None:
    """*integer*: the file is quantised, so that what is left in float has a reason of its own."""
    if operator.kind in _ALWAYS:
        return _ALWAYS[operator.kind]
    if operator.kind == "UNPACK" and _in_integers(operator):
        return STEPS
    return _IN_FLOAT.get(operator.kind) if integer and _takes_float(operator) else None


def _in_integers(operator: OperatorInfo) -> bool:
    return not operator.border and any(each.dtype in ("int8", "uint8") for each in operator.outputs)


def _takes_float(operator: OperatorInfo) -> bool:
    return any(each is not None and each.dtype == "float32" for each in operator.inputs)
