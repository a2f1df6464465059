"""Keras models that keep state between calls."""

from __future__ import annotations

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel


def refuse_stateful(name: str, loaded: LoadedModel) -> None:
    """Refuses to convert a model whose state a file would lose. Raises UnsupportedError."""
    if loaded.stateful:
        raise UnsupportedError(
            f"{name} keeps state between calls ({', '.join(loaded.stateful)}), which a converted "
            "file would lose",
            "build it with stateful=False, its state in and out of it",
        )
