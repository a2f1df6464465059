"""Matches the outputs of a file with those of the model under test."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import bare_name


class OutputsDifferError(ConfigurationError):
    """Two models differ in the number or the shapes of their outputs."""


def output_names(runner: Runner) -> tuple[str, ...]:
    """The names of a model's outputs without converters' affixes."""
    return tuple(bare_name(each.name) for each in runner.outputs)


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
