"""Validates the JSON of an exported program.

torch resolves the targets of calls by attributes, evaluates expressions over symbolic sizes with
sympy, imports modules that the shape of the inputs names, and writes the names of nodes into
Python that it compiles. Each string must be of the kind that its place needs.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = re.compile(r"[\w.+-]*", re.ASCII)
"""Names of nodes, tensors and devices: with none of these signs can compiled text call anything."""
_SIZES = "eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|pow|truediv|and_|or_|lshift|rshift"
_TARGET = re.compile(
    r"torch\.ops\.(aten|prims|quantized_decomposed|torchvision|torchao)\.(?!(save|from_file)\.)"
    r"(_?[a-z]\w*|__i?(and|or|xor|lshift|rshift)__)\.[A-Za-z]\w*"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|associative_scan|map_impl|out_dtype"
    r"|wrap_with_set_grad_enabled|wrap_with_autocast|flex_attention|invoke_subgraph)"
    rf"|_operator\.({_SIZES}|getitem)|math\.(trunc|ceil|floor)"
    r"|torch\.sym_(not|int|float|ite|max|min|sqrt|sum)",
    re.ASCII,
)
"""The calls allowed in a graph: operators on tensors and on sizes, without file access."""
_SYMPY = frozenset(
    {
        "Symbol",
        "Integer",
        "Rational",
        "Float",
        "Add",
        "Mul",
        "Pow",
        "Max",
        "Min",
        "Mod",
        "FloorDiv",
        "CleanDiv",
        "CeilDiv",
        "CeilToInt",
        "FloorToInt",
        "PythonMod",
        "ModularIndexing",
        "Where",
        "IntTrueDiv",
        "FloatTrueDiv",
        "ToFloat",
        "TruncToInt",
        "TruncToFloat",
        "RoundToInt",
        "PowByNatural",
        "FloatPow",
        "LShift",
        "RShift",
        "RoundDecimal",
        "Identity",
        "Eq",
        "Ne",
        "Equality",
        "Unequality",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "And",
        "Or",
        "Not",
        "LessThan",
        "GreaterThan",
        "StrictLessThan",
        "StrictGreaterThan",
        "Piecewise",
        "ExprCondPair",
    }
)
"""The calls allowed in an expression over symbolic sizes."""
_ARITHMETIC = (
    ast.Expression,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.keyword,
    ast.Tuple,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)
_SIGNS = re.compile(r"[\w .,()'+\-*/%<>=&|~]*", re.ASCII)
"""Characters allowed in an expression: sympy's parser rewrites others (``!``, ``#``, brackets)."""
_QUOTED = {"Symbol": re.compile(r"[A-Za-z_]\w*", re.ASCII), "Float": re.compile(r"[\d.e+-]+")}
"""The only calls that take text, and the text: most others hand theirs to the evaluator."""
_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_NOTES: dict[str, Any] = {"metadata": {}, "guards_code": []}
"""Parts that no graph needs: stack traces, and Python conditions that torch would compile."""
_PAYLOAD = re.compile(r"(weight|tensor)_\d+", re.ASCII)


def without_notes(content: Any) -> Any:
    """The program without its notes, which are not validated."""
    if isinstance(content, dict):
        return {
            key: _NOTES[key] if key in _NOTES else without_notes(value)
            for key, value in content.items()
        }
    return [without_notes(each) for each in content] if isinstance(content, list) else content


def faults_in_program(content: Any) -> Iterator[str]:
    """Each string of ``models/model.json`` that could become code."""
    yield from _faults("", content)


def faults_in_payloads(content: Any, folder: str, sizes: Mapping[str, int]) -> Iterator[str]:
    """Each weight or constant of a config that is no plain tensor of a member of the archive.

    *sizes* are the bytes of the members. A tensor of none is made by torch, of any size.
    """
    for name, payload in content["config"].items():
        path = payload["path_name"]
        if payload["use_pickle"] is not False or not _PAYLOAD.fullmatch(path):
            yield f"{folder}/{path[:40]} (pickled)"
        elif sizes.get(f"{folder}/{path}") == 0 and not _empty(payload):
            yield f"{folder}/{path} (of no bytes)"
        yield from _faults("", {name: payload})


def _empty(payload: Any) -> bool:
    return any(size.get("as_int") == 0 for size in payload["tensor_meta"]["sizes"])


def _faults(place: str, content: Any) -> Iterator[str]:
    """*place* is the key that the content, or the list around it, stands under."""
    if isinstance(content, dict):
        for key, value in content.items():
            # a range may be that of an expression, as of sizes that are multiples: no key is
            # evaluated, and this one becomes no text either
            is_size = place == "range_constraints" and plain(key)
            if not _NAME.fullmatch(key) and not is_size:
                yield f"the name {key[:60]!r}"
            if key not in _NOTES:
                yield from _faults(key, value)
    elif isinstance(content, list):
        for value in content:
            yield from _faults(place, value)
    elif isinstance(content, str):
        yield from _fault_of_text(place, content)


def _fault_of_text(place: str, text: str) -> Iterator[str]:
    if place in ("as_string", "as_strings"):
        return  # an argument of an operator: it stays a string
    if place in ("target", "as_operator"):
        if not _TARGET.fullmatch(text):
            yield f"the call of {text[:60]}"
    elif place == "expr_str":
        if not plain(text):
            yield f"the expression {text[:60]!r}"
    elif place in ("in_spec", "out_spec"):
        if not _plain_spec(json.loads(text)[1], named=place == "in_spec"):
            yield f"the {place} {text[:60]!r}"
    elif not _NAME.fullmatch(text):
        yield f"the name {text[:60]!r}"


def plain(expression: str) -> bool:
    """Arithmetic over symbols, as sympy prints it, with no text but names and numbers."""
    if len(expression) > _LONGEST or not _SIGNS.fullmatch(expression):
        return False
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    if any(map(_may_grow, nodes)) or sum(map(_raises, nodes)) > _POWERS:
        return False
    calls = [each for each in nodes if isinstance(each, ast.Call)]
    quoted = [each for each in nodes if isinstance(each, ast.Constant) and _is_text(each)]
    allowed = {id(each.args[0]) for each in calls if _takes_text(each)}
    return (
        all(isinstance(each, _ARITHMETIC) for each in nodes)
        and all(isinstance(each.func, ast.Name) and each.func.id in _SYMPY for each in calls)
        and all(id(each) in allowed for each in quoted)
    )


_LONGEST, _POWERS, _EXPONENT, _PRECISION = 10_000, 4, 8, 1_000
"""Limits on what sympy evaluates at once: 9**9**9 takes for ever."""
_RAISING = ("Pow", "PowByNatural", "FloatPow", "LShift")


def _raises(node: ast.AST) -> bool:
    """Whether it is a power or a shift."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Pow | ast.LShift)
    return isinstance(node, ast.Call) and _named(node) in _RAISING


def _may_grow(node: ast.AST) -> bool:
    """Whether a number becomes very large by it, or very precise."""
    if isinstance(node, ast.keyword):
        value = node.value
        return not isinstance(value, ast.Constant) or not _is_at_most(value, _PRECISION)
    if not _raises(node):
        return False
    by = node.right if isinstance(node, ast.BinOp) else _second(node)
    while isinstance(by, ast.UnaryOp) or (isinstance(by, ast.Call) and _is_number(by)):
        by = by.operand if isinstance(by, ast.UnaryOp) else by.args[0]
    return not isinstance(by, ast.Constant) or not _is_at_most(by, _EXPONENT)


def _is_number(call: ast.Call) -> bool:
    return _named(call) in ("Integer", "Rational") and bool(call.args)


def _named(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _second(call: ast.AST) -> ast.AST | None:
    return call.args[1] if isinstance(call, ast.Call) and len(call.args) > 1 else None


def _is_at_most(constant: ast.Constant, most: int) -> bool:
    value = constant.value
    return isinstance(value, bool | int | float | None) and (value is None or value <= most)


def _is_text(constant: ast.Constant) -> bool:
    return not isinstance(constant.value, bool | int | float | None)


def _takes_text(call: ast.Call) -> bool:
    allowed = _QUOTED.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if allowed is None or not call.args or not isinstance(call.args[0], ast.Constant):
        return False
    return isinstance(call.args[0].value, str) and bool(allowed.fullmatch(call.args[0].value))


def _plain_spec(spec: Any, *, named: bool) -> bool:
    """Tuples, lists and dicts only: other kinds import what their context names.

    The keys of inputs become parameters in compiled text where they are *named*.
    """
    kind, context, children = spec["type"], spec["context"], spec["children_spec"]
    if kind is None:
        return context is None and not children
    if kind not in _CONTAINERS:
        return False
    keys = json.loads(context)
    if keys is not None and not isinstance(keys, list):
        return False
    for key in keys or []:
        if not isinstance(key, str | int | float | bool):
            return False
        if named and isinstance(key, str) and not _NAME.fullmatch(key):
            return False
    return all(_plain_spec(child, named=named) for child in children)
