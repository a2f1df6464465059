"""The lists of harmless names, as sets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Loader = str
"""``keras`` or ``tf_keras``: which of the two is to load a file."""


@dataclass(frozen=True)
class Names:
    """What a file may name that one of the two Keras loads."""

    objects: frozenset[str]
    """Classes with their module: ``keras.layers.Dense``."""
    functions: frozenset[str]
    """Activations, losses, with their module or without."""
    bare: frozenset[str]
    """Classes of files that name no module."""
    words: frozenset[str]
    """What may stand where an activation, an initializer or the like is given by a word."""
    symbols: frozenset[str]
    """TensorFlow's names of what a ``TFOpLambda`` may call."""


@dataclass(frozen=True)
class Operators:
    """What the graphs of a SavedModel may hold."""

    plain: frozenset[str]
    """Arithmetic on numbers, without text, resources and functions."""
    reviewed: frozenset[str]
    """What was looked at by hand: variables, calls, loops, random numbers, text, tables."""
    saver: frozenset[str]
    """Only in the functions that save and restore the variables."""


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
