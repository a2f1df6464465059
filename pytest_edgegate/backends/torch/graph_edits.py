"""Changes to an exported graph: new calls, new weights, new constants."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


class Edits:
    """Edits the graph of a GraphModule in its place; ``finish`` compiles it again."""

    def __init__(self, torch: Any, module: Any) -> None:
        self._torch = torch
        self.module = module
        self.graph = module.graph

    def before(self, node: Any) -> AbstractContextManager[Any]:
        """Calls inside the context are inserted before *node*."""
        inserting: AbstractContextManager[Any] = self.graph.inserting_before(node)
        return inserting

    def call(self, target: Any, *arguments: Any) -> Any:
        return self.graph.call_function(target, arguments)

    def replace(self, node: Any, made: Any) -> None:
        """*made* does what *node* did, in the layer where that stood."""
        made.meta = {**node.meta, **made.meta}
        node.replace_all_uses_with(made)
        self.graph.erase_node(node)

    def constant_of(self, value: Any) -> Any:
        """The tensor behind a number or an attribute of the module; None for what is computed."""
        if not hasattr(value, "op"):
            return self._torch.tensor(float(value))
        if value.op != "get_attr":
            return None
        found = self.module
        for part in value.target.split("."):
            found = getattr(found, part)
        return found.detach()

    def as_tensor(self, near: Any, value: Any) -> Any:
        """A node, or a number or tensor as a new constant."""
        return value if hasattr(value, "op") else self._attribute(near, value, buffer=True)

    def number(self, near: Any, value: float) -> Any:
        """A new constant of one element."""
        return self._attribute(near, value, buffer=True)

    def weights(self, near: Any, value: Any, like: Any) -> Any:
        """A new parameter, trained if the attribute *like* is."""
        trained = like is not None and self._is_trained(like)
        return self._attribute(near, value, buffer=False, trained=trained)

    def finish(self) -> None:
        """Drops what nothing reads any more, and compiles the graph."""
        self.graph.eliminate_dead_code()
        self.module.delete_all_unused_submodules()
        self.graph.lint()
        self.module.recompile()

    def _is_trained(self, node: Any) -> bool:
        found = self.module
        for part in node.target.split("."):
            found = getattr(found, part)
        return bool(getattr(found, "requires_grad", False))

    def _attribute(self, near: Any, value: Any, *, buffer: bool, trained: bool = False) -> Any:
        tensor = self._torch.as_tensor(value, dtype=self._torch.float32).detach().clone()
        name, count = f"edgegate_{near.name}", 0
        while hasattr(self.module, f"{name}_{count}"):
            count += 1
        name = f"{name}_{count}"
        if buffer:
            self.module.register_buffer(name, tensor)
        else:
            parameter = self._torch.nn.Parameter(tensor, requires_grad=trained)
            self.module.register_parameter(name, parameter)
        return self.graph.get_attr(name)
