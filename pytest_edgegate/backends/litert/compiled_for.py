"""Which chip a .tflite file was compiled for, and which of its sizes the program in it names."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pytest_edgegate.backends.litert.schema import COMPILED_FOR
from pytest_edgegate.core.description import UNKNOWN_SIZE, CompiledFor, OperatorInfo

_ETHOS_U = b"ethos-u"
_HEAD = struct.Struct("<4sII")
"""The start of what the driver of an Ethos-U is given: a mark, an action, and its first word."""
_MARK = b"COP1"
_CONFIGURE = 0x01
"""The action that tells the configuration of the chip. Vela writes it first
(``driver_actions.emit_config``), and the driver compares it with the chip's own."""
_PRODUCTS = {0: "u55", 1: "u65", 2: "u85"}


def compiled_for(model: Any, operators: Sequence[OperatorInfo]) -> CompiledFor | None:
    """The chip of the first compiled operator; None for a file without one."""
    kinds = {each.kind for each in operators}
    found = next((each for each in COMPILED_FOR.values() if each.operator in kinds), None)
    if found is not COMPILED_FOR[_ETHOS_U.decode()]:
        return found
    names = list(dict.fromkeys(map(_accelerator, _programs(model))))
    if "" in names:
        return replace(found, size=UNKNOWN_SIZE)
    chip = " and ".join(each.replace("ethos-u", "Ethos-U") for each in names)
    return replace(found, chip=f"an Arm {chip}", size=" and ".join(names))


def _programs(model: Any) -> Iterator[bytes]:
    """The command streams: the first input of each operator that holds one."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].customCode == _ETHOS_U:
                given = operator.inputs
                at = int(given[0]) if given is not None and len(given) else -1
                data = None if at < 0 else model.buffers[graph.tensors[at].buffer].data
                yield b"" if data is None else bytes(data[: _HEAD.size])


def _accelerator(program: bytes) -> str:
    """As Vela's ``--accelerator-config`` names it; empty where the program tells none."""
    if len(program) < _HEAD.size:
        return ""
    mark, action, word = _HEAD.unpack(program)
    product = _PRODUCTS.get(word >> 28)
    if mark != _MARK or action & 0xFF != _CONFIGURE or product is None:
        return ""
    return f"ethos-{product}-{1 << (word & 0xF)}"
