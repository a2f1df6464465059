"""Maps flat tensors to the arguments of a module's forward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import Example


@dataclass(frozen=True)
class Arguments:
    """``of`` makes (positional arguments, keyword arguments) of a tensor for each of ``names``."""

    names: tuple[str, ...]
    of: Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], dict[str, Any]]]

    def copying(self) -> Arguments:
        """The same of copies of the tensors, for a forward that writes to what it is given.

        Whoever calls it keeps the tensors, and a converter sees no input that changes, which it
        would take for a state.
        """
        of = self.of
        return replace(self, of=lambda tensors: of(tuple(each.clone() for each in tensors)))


def of_forward(module: Any, example: Example) -> Arguments:
    """For a live module: by name where the data has several names, else by position.

    Raises ConfigurationError where the data and the parameters of forward do not fit.
    """
    parameters = _parameters(module)
    named = example.names is not None and len(example.names) > 1
    names = _names(module, example, parameters) if named else _first_names(example, parameters)
    kinds = {each.name: each.kind for each in parameters}
    by_word: tuple[Any, ...] = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    if named:
        by_word = (*by_word, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    unknown = inspect.Parameter.VAR_KEYWORD if named else inspect.Parameter.VAR_POSITIONAL
    count = sum(kinds.get(name, unknown) not in by_word for name in names)

    def of(tensors: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tensors[:count], dict(zip(names[count:], tensors[count:], strict=True))

    return Arguments(names, of)


def of_program(torch: Any, program: Any, name: str) -> Arguments:
    """For an exported program: as its inputs were built when it was exported.

    Raises UnsupportedError for an input that is a number which may change.
    """
    kinds = torch.export.graph_signature
    leaves: list[Any] = []
    names: list[str] = []
    places: list[int] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind != kinds.InputKind.USER_INPUT:
            continue
        if isinstance(spec.arg, kinds.TensorArgument):
            places.append(len(leaves))
            names.append(spec.arg.name)
        elif not isinstance(spec.arg, kinds.ConstantArgument):
            raise UnsupportedError(
                f"{name} takes {spec.arg.name!r}, which is not a tensor",
                "export the program with that input as a tensor or as a constant",
            )
        leaves.append(getattr(spec.arg, "value", None))

    def of(tensors: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        positional, keywords = torch.utils._pytree.tree_unflatten(filled, program.call_spec.in_spec)
        return tuple(positional), dict(keywords)

    return Arguments(tuple(names), of)


def _parameters(module: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):  # a forward that is no Python function
        return []


def _names(module: Any, example: Example, parameters: list[inspect.Parameter]) -> tuple[str, ...]:
    """The keys of the data, in the order of forward."""
    given = example.names or ()
    known = [
        each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    missing = [name for name in given if name not in known]
    if missing and not any(each.kind == each.VAR_KEYWORD for each in parameters):
        raise ConfigurationError(
            f"edge_data gives an input {missing[0]!r}, which {type(module).__name__}.forward "
            f"does not take: its parameters are {', '.join(known) or '(none)'}",
            "name the inputs of edge_data as forward does",
        )
    return (*(name for name in known if name in given), *missing)


def _first_names(example: Example, parameters: list[inspect.Parameter]) -> tuple[str, ...]:
    """The first parameters of forward, and ``input_0`` and on for those of ``*args``."""
    count = len(example.arrays)
    placed = [
        each.name
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    by_word = [each.name for each in parameters if each.kind == each.KEYWORD_ONLY]
    if any(each.kind == each.VAR_POSITIONAL for each in parameters) or not parameters:
        return (*placed[:count], *(f"input_{at}" for at in range(len(placed), count)))
    names = (*placed, *by_word)
    return (*names[:count], *(f"input_{at}" for at in range(len(names), count)))
