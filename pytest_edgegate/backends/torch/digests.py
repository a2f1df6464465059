"""Digests of modules: of the exported graph, the weights and the constants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_edgegate.core.ports import LoadedModel

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def program_digest(loaded: LoadedModel, module: Any) -> str:
    """SHA-256 of the graph of the exported program and of every tensor that it reads."""
    program = loaded.framework_model
    made = hashlib.sha256()
    for line in graph_lines(program.graph_module):
        made.update(ADDRESS.sub("", line).encode())
    made.update(repr((loaded.inputs, loaded.outputs)).encode())
    constants = {f"constant {name}": value for name, value in program.constants.items()}
    _add_tensors(made, _weights(module) | constants)
    return made.hexdigest()


def object_digest(module: Any, nonce: str) -> str:
    """SHA-256 of the weights of one object, which *nonce* tells from all others."""
    made = hashlib.sha256(nonce.encode())
    _add_tensors(made, _weights(module))
    return made.hexdigest()


def _weights(module: Any) -> dict[str, Any]:
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _add_tensors(made: Any, tensors: Mapping[str, Any]) -> None:
    for name in sorted(tensors):
        made.update(name.encode())
        made.update(content(tensors[name]))


def graph_lines(graph_module: Any) -> Iterator[str]:
    """Every node, those of the branches of a condition and the bodies of loops too."""
    for name, part in graph_module.named_modules():
        for node in getattr(getattr(part, "graph", None), "nodes", ()):
            yield f"{name} {node.op} {node.name} {node.target} {node.args} {node.kwargs}\n"


def content(tensor: Any) -> bytes:
    """The dtype, the shape and the bytes of a tensor, whatever its dtype."""
    if not hasattr(tensor, "detach"):
        return repr(tensor).encode()
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    kept: bytes = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + kept
