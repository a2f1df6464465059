"""An .onnx file as a protobuf: opened with care, cleaned, written again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.core.errors import BackendUnavailableError, InferenceError

OLDEST_OPSET = 7
"""The oldest that ONNX Runtime promises to run."""
OPSET = 18
"""Of the files that are made here: new enough for per-channel QDQ, old enough for boards."""


def import_onnx() -> ModuleType:
    """The onnx module. Raises BackendUnavailableError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise BackendUnavailableError("onnx", "an .onnx file", "onnx") from error
    module: ModuleType = onnx
    return module


def open_model(path: Path, *, weights: bool = True) -> Any:
    """The ModelProto, its external data loaded too where *weights* are wanted.

    Raises InferenceError for a file that is damaged, of another kind, of an opset that nothing
    here reads, or whose external data is missing or lies outside its folder.
    """
    onnx = import_onnx()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise InferenceError(f"{path} can't be read: {error}", "check the path") from error
    except Exception as error:  # protobuf's DecodeError, of which there are several
        raise damaged(path, "it is no ONNX protobuf") from error
    if not model.HasField("graph") or not model.graph.node:
        raise damaged(path, "it is empty" if not path.stat().st_size else "it has no graph")
    _check_opset(onnx, model, path)
    files = external_files(model, path)
    if weights and files:
        onnx.load_external_data_for_model(model, str(path.parent))
    return model


def external_files(model: Any, path: Path) -> tuple[Path, ...]:
    """The files beside *path* that hold its weights.

    Raises InferenceError where one is missing, too short, or not in the folder of the model.
    """
    needed: dict[Path, int] = {}
    folder = path.parent.resolve()
    for tensor in _stored_tensors(model.graph):
        if tensor.data_location != 1:  # EXTERNAL
            continue
        entries = {each.key: each.value for each in tensor.external_data}
        location = entries.get("location", "")
        file = path.parent / location
        if not location or "\0" in location or folder not in file.resolve().parents:
            raise InferenceError(
                f"{path.name} has the weights of {tensor.name} in {location!r}, outside its folder",
                "export it again with its weights inside the file (external_data=False)",
            )
        end = _whole(entries.get("offset")) + _whole(entries.get("length"))
        needed[file] = max(end, needed.get(file, 0))
    for file, end in needed.items():
        if not file.is_file() or file.stat().st_size < end:
            fault = "is missing" if not file.is_file() else f"is shorter than {end} bytes"
            raise InferenceError(
                f"{path.name} has weights in {file.name}, which {fault}",
                f"put {file.name} beside it, or export it with external_data=False",
            )
    return tuple(sorted(needed))


def cleaned(model: Any) -> Any:
    """The model without what only its making left in it: stack traces, paths, shapes."""
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


def damaged(path: Path, reason: str) -> InferenceError:
    return InferenceError(
        f"{path.name} can't be opened: {reason}",
        "make the file again: it is damaged, cut short or of another format",
    )


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


def _stored_tensors(graph: Any) -> list[Any]:
    """Initializers and constants, those of subgraphs too."""
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                found.append(attribute.t)
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                found += _stored_tensors(inner)
    return found


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


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
