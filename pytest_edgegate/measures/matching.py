"""Matches the outputs of a file with those of the model under test."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_edgegate.core.errors import ConfigurationError


class OutputsDifferError(ConfigurationError):
    """Two models differ in the number or the shapes of their outputs."""


def matched(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """For each output of the model under test, the position of its counterpart in the file."""
    if len(wanted) != len(given):
        raise OutputsDifferError(
            f"the model under test has {len(wanted)} outputs ({', '.join(wanted)}), the file has "
            f"{len(given)} ({', '.join(given)})",
            "give the model that the file was made from as edge_model",
        )
    if sorted(wanted) == sorted(given) and len(set(wanted)) == len(wanted):
        return [given.index(name) for name in wanted]
    return list(range(len(wanted)))
