"""Opens .onnx files safely as protobufs, cleans them and writes them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.onnx.external import external_files, load_weights
from pytest_edgegate.backends.onnx.functions import fault_in_functions
from pytest_edgegate.backends.tools import needed
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.regular import read_bytes

OLDEST_OPSET = 7
"""The oldest opset that ONNX Runtime guarantees to run."""
OPSET = 18
"""The opset of files built here: new enough for per-channel QDQ, old enough for boards."""
_MOST_BYTES = (1 << 31) - 1
"""The largest size of a protobuf."""


def import_onnx() -> ModuleType:
    """The onnx module. Raises BackendUnavailableError where it is not installed."""
    with needed("onnx", "an .onnx file", "onnx"):
        import onnx
    module: ModuleType = onnx
    return module


def open_model(path: Path, *, weights: bool = True) -> Any:
    """The ModelProto, its external data loaded too where *weights* are wanted.

    Raises InferenceError for a file that is damaged, of another kind, of an opset that nothing
    here reads, whose functions call themselves, or whose external data is missing or lies outside
    its folder.
    """
    onnx = import_onnx()
    model = onnx.ModelProto()
    content = read_bytes(path, _MOST_BYTES)
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError, of which there are several
        raise damaged(path, "it is no ONNX protobuf") from error
    if not model.HasField("graph") or not model.graph.node:
        raise damaged(path, "it has no graph" if content else "it is empty")
    graph = model.graph
    for part in (*graph.input, *graph.output, *graph.node, *graph.initializer):
        if not isinstance(part.name, str):  # protobuf gives bytes that are no text as they are
            raise damaged(path, f"it has the name {part.name[:40]!r}, which is no text")
    _check_opset(onnx, model, path)
    fault = fault_in_functions(model)
    if fault:
        raise damaged(path, fault)
    if external_files(model, path) and weights:
        load_weights(model, path)
    return model


def cleaned(model: Any) -> Any:
    """The model without traces of its export: stack traces, paths, shapes."""
    _clean(model)
    for function in model.functions:
        _clean(function)
        for node in function.node:
            _clean(node)
    _clean_graph(model.graph)
    if all(node.domain in ("", "ai.onnx") for node in model.graph.node):
        del model.graph.value_info[:]  # shapes that everyone infers again
    return model


def write(model: Any, path: Path) -> None:
    """Checks the model in full and writes its bytes. Raises the checker's own ValidationError."""
    onnx = import_onnx()
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _check_opset(onnx: Any, model: Any, path: Path) -> None:
    versions = {each.domain: each.version for each in model.opset_import}
    version = versions.get("", versions.get("ai.onnx"))
    newest = onnx.defs.onnx_opset_version()
    if version is None:
        raise damaged(path, "it names no opset")
    if version > newest:
        raise InferenceError(
            f"{path.name} is of opset {version}, and the newest that is known here is {newest}",
            f"export it with opset {OPSET}, or upgrade onnx and onnxruntime",
        )
    if version < OLDEST_OPSET:
        raise InferenceError(
            f"{path.name} is of opset {version}, older than {OLDEST_OPSET}, the oldest that ONNX "
            "Runtime promises to run",
            f"export it with opset {OPSET}, or lift it: onnx.version_converter.convert_version"
            f"(model, {OPSET})",
        )


def _clean_graph(graph: Any) -> None:
    _clean(graph)
    for part in (graph.node, graph.input, graph.output, graph.value_info, graph.initializer):
        for each in part:
            _clean(each)
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _clean_graph(inner)


def _clean(part: Any) -> None:
    part.ClearField("doc_string")
    if hasattr(part, "metadata_props"):
        del part.metadata_props[:]
