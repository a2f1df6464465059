"""The graphs of a .tflite file: those that an inference starts, and those that operators run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.schema import import_schema, names_of, opened, unpack
from pytest_edgegate.backends.litert.signatures import graph_fields, signature_defs
from pytest_edgegate.core.description import ModelDescription

_LOOPS = ("WHILE", "STABLEHLO_WHILE")
_BRANCHES = ("IF", "STABLEHLO_CASE")


@dataclass(frozen=True)
class Graphs:
    """What makes figures of all graphs of a file together those of no inference."""

    count: int
    apart: bool = False
    """Whether an inference starts one of several."""
    runners: tuple[str, ...] = ()
    """The kinds of the operators that run graphs within another one."""
    signatures: tuple[str, ...] = ()
    gated: str = ""
    """The signature whose graph is gated."""

    @property
    def fault(self) -> str:
        """Why they can't be taken apart; empty for a file with one graph."""
        names = ", ".join(self.signatures)
        of_them = f"; its signatures: {names}" if names else ""
        apart = f"one inference runs one of them{of_them}" if self.apart else ""
        return "; ".join(filter(None, (self.of_bodies, apart)))

    @property
    def of_bodies(self) -> str:
        """That part of the fault that graphs within others are."""
        if not self.runners:
            return ""
        return (
            f"the bodies of {', '.join(self.runners)} are counted once each: how often an "
            "inference runs them can't be known"
        )

    @property
    def remedy(self) -> str:
        """How to make a file of one graph."""
        others = [each for each in self.runners if each not in (*_LOOPS, *_BRANCHES)]
        ways = {
            "unroll the loop (unroll=True of a recurrent layer, a Python loop in place of "
            "tf.while_loop)": any(each in self.runners for each in _LOOPS),
            "gate each branch in a file of its own": any(
                each in self.runners for each in _BRANCHES
            ),
            f"build it without {', '.join(others)}": bool(others),
            self._of_one_signature: self.apart,
        }
        return ", and ".join(way for way, holds in ways.items() if holds)

    @property
    def _of_one_signature(self) -> str:
        if not self.gated:
            return "gate a file of its first graph alone"
        return (
            f'gate a file of that signature alone (signature_keys=["{self.gated}"] of the '
            "converter)"
        )


def graphs_of(path: Path, described: ModelDescription) -> Graphs:
    """Those of the file at *path*, which is unpacked only if it has several."""
    count = opened(path).SubgraphsLength()
    if count == 1:
        return Graphs(1)
    model = unpack(path)
    within: dict[int, str] = {}
    for runner, graph in _calls(model):
        within.setdefault(graph, runner)
    named = {each.subgraphIndex for each in signature_defs(model)}
    return Graphs(
        count,
        apart=len((set(range(count)) - set(within)) | named) > 1,
        runners=tuple(dict.fromkeys(within[each] for each in sorted(within))),
        signatures=tuple(each.name for each in described.signatures),
        gated=next((each.name for each in described.signatures if each.gated), ""),
    )


def _calls(model: Any) -> Iterator[tuple[str, int]]:
    """The kinds of operators that run another graph, with its index. The first one is none's."""
    kinds = names_of(import_schema().BuiltinOperator)
    for operator in (each for graph in model.subgraphs for each in graph.operators or ()):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        for options in (operator.builtinOptions, operator.builtinOptions2):
            for field in graph_fields(options):
                graph = getattr(options, field)
                if 0 < graph < len(model.subgraphs):
                    yield kind, graph
