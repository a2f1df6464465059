"""A module by its content: the exported graph, the weights, the constants."""

from __future__ import annotations

import hashlib
from typing import Any

from pytest_edgegate.core.ports import LoadedModel


def program_digest(loaded: LoadedModel, module: Any) -> str:
    """SHA-256 of the graph of the exported program and of every tensor that it reads."""
    program = loaded.framework_model
    made = hashlib.sha256()
    for node in program.graph.nodes:
        made.update(f"{node.op} {node.name} {node.target} {node.args} {node.kwargs}\n".encode())
    made.update(repr((loaded.inputs, loaded.outputs)).encode())
    tensors = {**module.state_dict(), **{f"constant {k}": v for k, v in program.constants.items()}}
    for name in sorted(tensors):
        made.update(name.encode())
        made.update(_content(tensors[name]))
    return made.hexdigest()


def _content(tensor: Any) -> bytes:
    """The dtype, the shape and the bytes of a tensor, whatever its dtype."""
    if not hasattr(tensor, "detach"):
        return repr(tensor).encode()
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content: bytes = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return f"{tensor.dtype}{tuple(tensor.shape)}".encode() + content
