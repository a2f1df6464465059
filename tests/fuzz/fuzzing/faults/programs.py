"""Torch's exported programs: the graph as JSON, the tables of weights, and pickles."""

from __future__ import annotations

import random
from typing import Any

from fuzzing.draft import BytesFault, Fault, to_main
from fuzzing.faults import archives, documents, values
from fuzzing.faults.keras_configs import CANARY

_TARGETS = (
    "torch.ops.aten.relu.default",
    "torch.ops.aten.add.Tensor",
    "torch.ops.aten.view.default",
    "torch.ops.aten.conv2d.default",
    "torch.ops.aten.empty.memory_format",
    "_operator.getitem",
    "_operator.mul",
    "torch.ops.higher_order.cond",
    "torch.ops.aten.from_file.default",
    "builtins.open",
    "os.system",
    "torch.ops.nothing.default",
    "torch.ops.aten.save",
    "torch.sym_sqrt",
    "",
    "torch.ops.prims.iota.default",
    "torch.ops.aten.lift_fresh_copy.default",
    "torch._check",
)
_EXPRESSIONS = (
    "s0",
    "s77",
    "2*s0",
    "1/0",
    "2**99999",
    "s0 // 0",
    f"open({CANARY!r}, 'w')",
    "Eq(s0, 1)",
    "",
    "nan",
    "oo",
    f"__import__('os').system('touch {CANARY}')",
    "(" * 200 + ")" * 200,
    "Max(s0, -s0)",
    "²",
    "9" * 5000,
)


def target(document: Any, draw: random.Random) -> None:
    """Another operator, or something that is none."""
    nodes = [(node, key) for node, key in documents.places(document) if key == "target"]
    node, key = draw.choice(nodes)
    node[key] = draw.choice((*_TARGETS, draw.choice(nodes)[0]["target"]))


def expression(document: Any, draw: random.Random) -> None:
    """A size that is computed."""
    keys = ("expr_str", "as_expr", "as_int", "as_name", "name", "as_symint")
    node, key = draw.choice([each for each in documents.places(document) if each[1] in keys])
    node[key] = draw.choice(
        (
            *_EXPRESSIONS,
            {"expr_str": draw.choice(_EXPRESSIONS), "hint": None},
            {"as_expr": {"expr_str": draw.choice(_EXPRESSIONS)}},
        )
    )


def renamed(document: Any, draw: random.Random) -> None:
    """A name that becomes an attribute or Python code, everywhere the same."""
    names = [
        (node, key)
        for node, key in documents.places(document)
        if key in ("name", "as_name", "parameter_name", "buffer_name")
        and isinstance(node[key], str)
    ]
    old = draw.choice(names)
    before = old[0][old[1]]
    after = draw.choice(
        (
            "__class__",
            "forward",
            "a.b.c",
            "x\n",
            "x; import os",
            "self",
            "1x",
            "",
            values.text(draw),
        )
    )
    for node, key in names:
        if node[key] == before:
            node[key] = after


_PROGRAM: tuple[documents.DocumentFault, ...] = (
    *documents.DOCUMENT,
    target,
    target,
    expression,
    expression,
    renamed,
)


def program(content: bytes, draw: random.Random) -> bytes:
    return documents.edited(content, draw, _PROGRAM)


def pickled(content: bytes, draw: random.Random) -> bytes:
    """A pickle that writes the canary, bare or as torch saves one."""
    name = CANARY.encode()
    plain = draw.choice(
        (
            b"cbuiltins\nopen\n(S'" + name + b"'\nS'w'\ntR.",
            b"\x80\x04\x8c\x08builtins\x8c\x04open\x93\x8c\x06" + name + b"\x8c\x01w\x86R.",
            b"cos\nsystem\n(S'touch " + name + b"'\ntR.",
            b"\x80\x02}q\x00.",
            b"(lp0\n" + b"(" * 2000,
            b"\x80\x04N.",
            b"ctorch._utils\n_rebuild_tensor_v2\n.",
        )
    )
    if draw.random() < 0.3:
        return plain
    wrapped = [
        archives.Member("archive/data.pkl", plain),
        archives.Member("archive/version", b"3\n"),
    ]
    return archives.packed(wrapped)


def _is_program(name: str) -> bool:
    return name.endswith("model.json")


def _is_table(name: str) -> bool:
    return name.endswith("_config.json")


def _is_loaded(name: str) -> bool:
    return name.endswith((".pt", "weight_0", "weight_1", "model_constants_config.json"))


def as_pickle(content: bytes, draw: random.Random) -> bytes:
    """What torch.save and torch.jit.save leave, under the name of a program."""
    members = archives.unpacked(content)
    kind = draw.choice(
        ("data.pkl", "constants.pkl", "code/model.py", "extra/x", "data/aotinductor/m.so")
    )
    members.append(archives.Member(f"small/{kind}", pickled(b"", draw)))
    if draw.random() < 0.3:
        members = [each for each in members if "models/" not in each.name]
    return archives.packed(members)


_ARCHIVE: tuple[BytesFault, ...] = (
    *[archives.with_member(_is_program, program)] * 12,
    *[archives.with_member(_is_table, documents.edited)] * 5,
    *[archives.with_member(_is_loaded, pickled)] * 2,
    as_pickle,
    *archives.ARCHIVE,
)

PROGRAM: tuple[Fault, ...] = tuple(map(to_main, (*_ARCHIVE, *_ARCHIVE, archives.bomb)))
