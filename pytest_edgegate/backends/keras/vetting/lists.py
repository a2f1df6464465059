"""The allowlists of harmless names, as sets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Loader = str
"""``keras`` or ``tf_keras``: which of the two is to load a file."""


@dataclass(frozen=True)
class Names:
    """The names allowed in a file for one of the two Keras loaders."""

    objects: frozenset[str]
    """Classes with their module: ``keras.layers.Dense``."""
    functions: frozenset[str]
    """Activations, losses, with their module or without."""
    bare: frozenset[str]
    """Classes of files that name no module."""
    words: frozenset[str]
    """The words allowed for activations, initializers and the like."""
    symbols: frozenset[str]
    """TensorFlow symbols that a ``TFOpLambda`` may call."""


@dataclass(frozen=True)
class Operators:
    """The operators allowed in the graphs of a SavedModel."""

    plain: frozenset[str]
    """Arithmetic on numbers, without text, resources and functions."""
    reviewed: frozenset[str]
    """Reviewed by hand: variables, calls, loops, random numbers, text, tables."""
    saver: frozenset[str]
    """Allowed only in the functions that save and restore the variables."""


@cache
def names(loader: Loader) -> Names:
    """The list of one loader."""
    return Names(**_read(loader))


@cache
def harmless_operators() -> Operators:
    """The list for graphs."""
    found = _read("tensorflow")
    reviewed = found["reviewed"] | found["random"] | found["text"]
    return Operators(found["plain"], reviewed, found["saver"])


def _read(name: str) -> dict[str, frozenset[str]]:
    text = files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
    return {part: frozenset(each) for part, each in tomllib.loads(text).items()}
