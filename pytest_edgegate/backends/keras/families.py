"""Recognises which Keras a model object belongs to."""

from __future__ import annotations


def family(candidate: object) -> str | None:
    """``keras`` or ``tf_keras`` for a model object of theirs, known by the names of its bases."""
    for base in type(candidate).__mro__:
        if base.__name__ == "Model" and base.__module__.split(".")[0] in ("keras", "tf_keras"):
            return base.__module__.split(".")[0]
    return None
