"""Shapes of every tensor of a graph, behind ONNX Runtime's own operators too."""

from __future__ import annotations

from typing import Any

_TWINS: dict[str, tuple[str, slice]] = {
    "QLinearAdd": ("Add", slice(0, 6, 3)),
    "QLinearMul": ("Mul", slice(0, 6, 3)),
    "QGemm": ("Gemm", slice(0, 6, 3)),
    "QLinearConcat": ("Concat", slice(2, None, 3)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", slice(0, 1)),
    "QLinearAveragePool": ("AveragePool", slice(0, 1)),
    "QLinearLeakyRelu": ("LeakyRelu", slice(0, 1)),
    "QLinearSigmoid": ("Sigmoid", slice(0, 1)),
    "QLinearSoftmax": ("Softmax", slice(0, 1)),
}
"""Operators of ``com.microsoft``: the standard one that gives the same shape, and its inputs."""
_STANDARD = (
    "axis",
    "transA",
    "transB",
    "kernel_shape",
    "strides",
    "pads",
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
)


def with_shapes(onnx: Any, model: Any) -> Any:
    """The model with the shapes and dtypes that ONNX infers, as far as it can.

    Raises onnx's own InferenceError for a graph whose shapes contradict one another.
    """
    if all(node.domain in ("", "ai.onnx") for node in model.graph.node):
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    twin = type(model).FromString(model.SerializeToString())
    for node in twin.graph.node:
        if node.domain == "com.microsoft" and node.op_type in _TWINS:
            _make_standard(node)
    inferred = onnx.shape_inference.infer_shapes(twin, data_prop=True)
    known = {each.name for each in model.graph.value_info}
    model.graph.value_info.extend(
        each for each in inferred.graph.value_info if each.name not in known
    )
    return model


def _make_standard(node: Any) -> None:
    """Integers stay integers: the inference of shapes does not look at that."""
    attributes = {each.name: each for each in node.attribute}
    if "channels_last" in attributes and attributes["channels_last"].i:
        return
    node.op_type, given = _TWINS[node.op_type]
    node.domain = ""
    node.input[:] = list(node.input)[given]
    kept = [each for each in node.attribute if each.name in _STANDARD]
    copies = [type(each).FromString(each.SerializeToString()) for each in kept]
    del node.attribute[:]
    node.attribute.extend(copies)
