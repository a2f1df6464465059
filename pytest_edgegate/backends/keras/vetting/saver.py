"""Saving and restoring a SavedModel's variables: the only place where its graphs touch files.

TensorFlow writes it itself, in two formats: two functions that the main graph calls (TF2), or nodes
of the main graph (TF1). It passes where the saver_def names it, where the name of every file comes
from the argument that TensorFlow fills in, and where nothing else takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_edgegate.backends.keras.vetting.graphs import Body, MetaGraph, Node

_READS = "RestoreV2"
_FILES = frozenset({"SaveV2", _READS, "MergeV2Checkpoints", "ShardedFilename"})
_NAMED_BY = {"SaveV2": (0,), _READS: (0,), "MergeV2Checkpoints": (0, 1), "ShardedFilename": (0,)}
"""The inputs that hold the name of a file."""
_MOST_STEPS = 20
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_SWAPPED = frozenset({"api_implements", "api_preferred_device"})
"""Attributes by which TensorFlow calls a function in the place of another one."""
_FILLED = ("Placeholder", "PlaceholderWithDefault")


@dataclass(frozen=True)
class Saver:
    """The parts of a graph that pass as its saver."""

    nodes: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()


def saver_of(graph: MetaGraph, allowed: frozenset[str]) -> Saver:
    """The saver of a graph, or none where it is not as TensorFlow writes it."""
    filename = graph.main.nodes.get(graph.filename)
    if filename is None or filename.kind not in _FILLED:
        return Saver()
    nodes: set[str] = set()
    functions: set[str] = set()
    for root in {graph.saving, graph.restoring}:
        found = _part(graph, root, allowed, reads_only=root == graph.restoring)
        if found is None:
            return Saver()
        nodes |= found.nodes
        functions |= found.functions
    if _is_used_elsewhere(graph, nodes, functions):
        return Saver()
    return Saver(frozenset(nodes), frozenset(functions))


def _part(
    graph: MetaGraph, root: str, allowed: frozenset[str], *, reads_only: bool
) -> Saver | None:
    """The nodes that save or restore, as far as they touch files."""
    node = graph.main.nodes.get(root)
    if node is None:
        return None
    if node.calls:
        called = graph.functions.get(node.calls[0])
        if node.kind not in _CALLS or [each for each, _ in node.called] != ["f"] or called is None:
            return None
        if [each.split(":")[0] for each in node.inputs[:1]] != [graph.filename]:
            return None
        if called.attributes & _SWAPPED:
            return None
        if not called.arguments or not _is_plain(
            called, frozenset(called.nodes), called.arguments[0], allowed, reads_only
        ):
            return None
        return Saver(frozenset({root}), frozenset(node.calls))
    before = graph.main.before(root)
    if not _is_plain(graph.main, before, graph.filename, allowed, reads_only):
        return None
    return Saver(frozenset(before & _touching(graph.main.nodes)))


def _is_plain(
    body: Body, part: frozenset[str], filename: str, allowed: frozenset[str], reads_only: bool
) -> bool:
    """Whether a part of a body names files by the argument alone, as TensorFlow writes it."""
    read, written = (_Names(body, filename, exactly=exactly) for exactly in (True, False))
    for name in part:
        node = body.nodes.get(name)
        if node is None:
            if name not in body.arguments:
                return False
            continue
        if node.kind not in allowed or node.calls:
            return False
        if node.kind in _FILES:
            if reads_only and node.kind != _READS:
                return False
            sources = list(node.sources)
            wanted = _NAMED_BY[node.kind]
            names = read if node.kind == _READS else written
            if len(sources) <= max(wanted) or not all(names.follows(sources[at]) for at in wanted):
                return False
    return True


class _Names:
    """Finds the texts of a body that are file names derived from its argument.

    ``..`` behind it would lead out of the folder: what is read is named by the argument *exactly*,
    and what is written has constants behind it.
    """

    def __init__(self, body: Body, filename: str, *, exactly: bool) -> None:
        self._body, self._exactly = body, exactly
        self._known = {filename: True}

    def follows(self, name: str, depth: int = 0) -> bool:
        """Whether a node gives such a name."""
        if name not in self._known:
            self._known[name] = False  # where it comes to itself
            self._known[name] = depth <= _MOST_STEPS and self._node_follows(name, depth)
        return self._known[name]

    def _node_follows(self, name: str, depth: int) -> bool:
        node = self._body.nodes.get(name)
        if node is None:
            return False
        given = zip(node.sources, node.inputs, strict=True)
        sources = [each for each, raw in given if raw[:1] != "^"]
        if node.kind in ("Identity", "Pack", "IdentityN"):
            return bool(sources) and all(self.follows(each, depth + 1) for each in sources)
        if self._exactly or not sources or not self.follows(sources[0], depth + 1):
            return False
        if node.kind == "StringJoin":
            return all(_is_constant(self._body, each) for each in sources[1:])
        return node.kind == "ShardedFilename"


def _is_constant(body: Body, name: str) -> bool:
    """A part of a name that is in the file, or one of two."""
    node = body.nodes.get(name)
    if node is None:
        return False
    if node.kind in ("Select", "SelectV2"):
        return all(body.nodes.get(each, node).kind == "Const" for each in list(node.sources)[1:3])
    return node.kind == "Const"


def _touching(nodes: Mapping[str, Node]) -> frozenset[str]:
    """The nodes that touch files, and those that wait for one."""
    after: dict[str, list[str]] = {}
    for name, node in nodes.items():
        for source in node.sources:
            after.setdefault(source, []).append(name)
    found: set[str] = set()
    left = [name for name, node in nodes.items() if node.kind in _FILES]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += after.get(name, ())
    return frozenset(found)


def _is_used_elsewhere(graph: MetaGraph, nodes: set[str], functions: set[str]) -> bool:
    """Whether anything but TensorFlow's own saving and restoring would make it run."""
    if nodes & graph.named or functions & graph.objects:
        return True
    others = [node for name, node in graph.main.nodes.items() if name not in nodes]
    return any(nodes.intersection(each.sources) for each in others)
