"""Functions of an .onnx file that call one another: readers unfold each call into its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MOST_NODES = 1_000_000
"""After every call is replaced by the nodes of its function, as readers do; the largest language
models have some ten thousand."""

_Name = tuple[str, str, str]


def fault_in_functions(model: Any) -> str:
    """The fault if calls of functions are endless or nearly so, else an empty string."""
    bodies = {(_domain(each), each.name, each.overload): each.node for each in model.functions}
    if not bodies:
        return ""
    if len(bodies) < len(model.functions):
        return "it has two functions of one name"
    sizes: dict[_Name, int] = {}
    for name in bodies:
        if not _measure(name, bodies, sizes):
            return f"its function {name[1][:80]!r} calls itself"
    whole = sum(sizes.get(called, 1) for called in _called(model.graph.node))
    if max(whole, *sizes.values()) > _MOST_NODES:
        return f"the calls of its functions unfold to {max(whole, *sizes.values())} nodes"
    return ""


def _measure(first: _Name, bodies: Mapping[_Name, Any], sizes: dict[_Name, int]) -> bool:
    """Notes how many nodes a function unfolds to. False where it calls itself on the way."""
    open_calls = [(first, iter(list(_called(bodies[first]))))]
    counts = [0]
    entered = {first}
    while open_calls:
        name, calls = open_calls[-1]
        called = next(calls, None)
        if called is None:
            open_calls.pop()
            entered.discard(name)
            sizes[name] = counts.pop()
            if counts:
                counts[-1] += sizes[name]
        elif called in entered:
            return False
        elif called in bodies and called not in sizes:
            open_calls.append((called, iter(list(_called(bodies[called])))))
            counts.append(0)
            entered.add(called)
        else:
            counts[-1] += sizes.get(called, 1)
    return True


def _called(nodes: Any) -> Iterator[_Name]:
    """The functions called by the nodes of a body, including those in branches."""
    for node in nodes:
        yield _domain(node), node.op_type, node.overload
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _called(inner.node)


def _domain(part: Any) -> str:
    return "" if part.domain == "ai.onnx" else str(part.domain)
