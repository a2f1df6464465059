"""Rewrites an exported graph with operators that have integer versions.

The computed function is unchanged: in-place operators become functional ones, batch normalisation
is folded into the layer before it, composite activations are split into their steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_edgegate.backends.torch.batch_norms import fold_batch_norms
from pytest_edgegate.backends.torch.graph_edits import Edits
from pytest_edgegate.backends.torch.operators import clamp_bounds, is_float, name_of
from pytest_edgegate.core.errors import UnsupportedError

_NOTHING = frozenset({"contiguous", "clone", "detach", "alias", "lift_fresh_copy", "identity"})
_VIEWS = ("reshape", "flatten", "contiguous")
"""Operators that may return a view although their schema does not declare it."""


def simplified(torch: Any, module: Any, name: str) -> Any:
    """The module of an exported program, changed in its place.

    Raises UnsupportedError for what writes into a part of a tensor, or normalises by the batch.
    """
    edits = Edits(torch, module)
    for node in list(module.graph.nodes):
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            _give_a_new_tensor(torch, node, name)
    for node in list(module.graph.nodes):
        if name_of(node) in _NOTHING or _is_note(node):
            _take_out(node)
    fold_batch_norms(torch, edits, name)
    for node in list(module.graph.nodes):
        rule = _RULES.get(name_of(node))
        if rule is not None and is_float(node):
            rule(torch, edits, node)
    edits.finish()
    return module


def _give_a_new_tensor(torch: Any, node: Any, name: str) -> None:
    """``relu_`` becomes ``relu``, and who reads what it wrote to reads what it gives."""
    written = node.args[0] if node.args else None
    packet = getattr(torch.ops.aten, name_of(node).removesuffix("_"), None)
    twin = getattr(packet, node.target._overloadname, None) if name_of(node).endswith("_") else None
    if twin is None or written is None or _is_part(written):
        raise UnsupportedError(
            f"{name} writes into a tensor in its place ({node.target}), and what is quantised is "
            "values that stay",
            "write that step with an operator that gives a new tensor, or use PTQ()",
        )
    later = _after(node)
    node.target = twin
    for user in list(written.users):
        if user in later:
            user.replace_input_with(written, node)


def _is_part(node: Any) -> bool:
    """Whether a tensor shares its memory with one that is used elsewhere."""
    while _is_view(node):
        node = node.args[0]
        if len(node.users) > 1:
            return True
    return bool(node.op == "get_attr")


def _is_view(node: Any) -> bool:
    returns = getattr(getattr(node.target, "_schema", None), "returns", ())
    alias = any(each.alias_info is not None and not each.alias_info.is_write for each in returns)
    return bool(node.args) and (alias or name_of(node) in _VIEWS)


def _after(node: Any) -> set[Any]:
    found: set[Any] = set()
    following = node.next
    while following.op != "root":
        found.add(following)
        following = following.next
    return found


def _is_note(node: Any) -> bool:
    """Guards and assertions: they say something about tensors, and give none."""
    return name_of(node).startswith("_assert") or node.op == "call_module"


def _take_out(node: Any) -> None:
    if node.users:
        node.replace_all_uses_with(node.args[0])
    node.graph.erase_node(node)


def _silu(torch: Any, edits: Edits, node: Any) -> None:
    """x sigmoid(x)."""
    x = node.args[0]
    with edits.before(node):
        made = edits.call(
            torch.ops.aten.mul.Tensor, x, edits.call(torch.ops.aten.sigmoid.default, x)
        )
    edits.replace(node, made)


def _hardsigmoid(torch: Any, edits: Edits, node: Any) -> None:
    """relu6(x + 3) / 6."""
    aten = torch.ops.aten
    with edits.before(node):
        moved = edits.call(aten.add.Tensor, node.args[0], edits.number(node, 3.0))
        made = edits.call(
            aten.mul.Tensor, edits.call(aten.relu6.default, moved), edits.number(node, 1 / 6)
        )
    edits.replace(node, made)


def _arithmetic(torch: Any, edits: Edits, node: Any) -> None:
    """Plain numbers become tensors, which have a scale; division and subtraction of what is known
    become the product with its inverse and the sum with its negative, which exist in integers."""
    kind, (one, other) = name_of(node), node.args[:2]
    factor = float(node.kwargs.get("alpha", 1))
    if kind == "div" and node.kwargs.get("rounding_mode") is None:
        if (value := edits.constant_of(other)) is None:
            return
        kind, other = "mul", 1 / value
    elif kind == "div" or factor != 1:
        return
    elif kind == "sub" and (value := edits.constant_of(other)) is not None:
        kind, other = "add", -value
    with edits.before(node):
        one, other = (edits.as_tensor(node, each) for each in (one, other))
        made = edits.call(getattr(torch.ops.aten, kind).Tensor, one, other)
    edits.replace(node, made)


def _matmul(torch: Any, edits: Edits, node: Any) -> None:
    """The product with a matrix of weights is a linear layer of its transpose."""
    x, weights = node.args
    value = edits.constant_of(weights)
    if value is None or value.ndim != 2:
        return
    with edits.before(node):
        transposed = edits.weights(node, value.t().contiguous(), weights)
        made = edits.call(torch.ops.aten.linear.default, x, transposed)
    edits.replace(node, made)


def _average(torch: Any, edits: Edits, node: Any) -> None:
    """A pooling of the whole image is its mean, and one to a divisor of its size a plain one."""
    x, options = node.args[0], list(node.args[1:])
    size = list(x.meta["val"].shape[2:])
    if not all(isinstance(each, int) for each in size):
        return
    given = [options[0]] * len(size) if isinstance(options[0], int) else list(options[0])
    if not name_of(node).startswith("adaptive"):
        whole = given == size and not any(_flat(options[2:3]))
    else:
        wanted = [
            before if each is None else each for each, before in zip(given, size, strict=True)
        ]
        whole = all(each == 1 for each in wanted)
        if not whole and all(a % b == 0 for a, b in zip(size, wanted, strict=True)):
            kernel = [a // b for a, b in zip(size, wanted, strict=True)]
            with edits.before(node):
                operator = getattr(torch.ops.aten, name_of(node).removeprefix("adaptive_")).default
                edits.replace(node, edits.call(operator, x, kernel, kernel))
            return
    if whole:
        with edits.before(node):
            axes = list(range(2, 2 + len(size)))
            edits.replace(node, edits.call(torch.ops.aten.mean.dim, x, axes, True))


def _flat(values: list[Any]) -> list[Any]:
    return [one for each in values for one in (each if isinstance(each, list) else [each])]


def _mean(torch: Any, edits: Edits, node: Any) -> None:
    """The mean over an image keeps its axes first, which runtimes have an operator for."""
    rank, options = node.args[0].meta["val"].ndim, list(node.args[1:])
    if rank != 4 or not options or options[0] is None or (len(options) > 1 and options[1]):
        return
    if sorted(axis % rank for axis in _flat(options[:1])) == [2, 3]:
        with edits.before(node):
            made = edits.call(torch.ops.aten.mean.dim, node.args[0], [2, 3], True)
            edits.replace(node, edits.call(torch.ops.aten.flatten.using_ints, made, 1))


def _linear(torch: Any, edits: Edits, node: Any) -> None:
    """Over more than two axes: of rows, with its clamp, which runtimes have one operator for."""
    *inner, size = node.args[0].meta["val"].shape[1:] or [0]
    if not inner or not all(isinstance(each, int) for each in inner):
        return
    users = list(node.users)
    last = users[0] if len(users) == 1 and clamp_bounds(users[0]) is not None else node
    reshape, shape = torch.ops.aten.reshape.default, [-1, *inner, node.meta["val"].shape[-1]]
    with edits.before(node):
        node.args = (edits.call(reshape, node.args[0], [-1, size]), *node.args[1:])
    with edits.before(last.next):
        made = edits.call(reshape, last, shape)
    made.meta = dict(last.meta)
    last.replace_all_uses_with(made, delete_user_cb=lambda user: user is not made)


_RULES: dict[str, Callable[[Any, Edits, Any], None]] = {
    "avg_pool1d": _average,
    "avg_pool2d": _average,
    "avg_pool3d": _average,
    "adaptive_avg_pool1d": _average,
    "adaptive_avg_pool2d": _average,
    "adaptive_avg_pool3d": _average,
    "mean": _mean,
    "linear": _linear,
    "silu": _silu,
    "hardsigmoid": _hardsigmoid,
    "add": _arithmetic,
    "sub": _arithmetic,
    "mul": _arithmetic,
    "div": _arithmetic,
    "matmul": _matmul,
    "mm": _matmul,
}
