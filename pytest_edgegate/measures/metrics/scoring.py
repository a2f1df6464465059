"""The protocol of a metric, and of what it gathers from a pass over the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.measures.evidence import Columns, Evidence
from pytest_edgegate.measures.metrics.chance import Chance, Unchecked
from pytest_edgegate.measures.metrics.estimates import Estimate
from pytest_edgegate.measures.metrics.resampling import ALL, Resampling


class Keeper(Protocol):
    """Gathers from a pass what the comparison of a reference with chance needs."""

    def add(self, output: Any, labels: Array, inputs: Any) -> None:
        """Takes a batch, in the order of the pass."""

    def figures(self, n: int) -> dict[str, Array]:
        """Further per-sample figures of the *n* samples of the pass."""


class Scoring(Protocol):
    """A metric as the accuracy measures use it."""

    name: str
    title: str
    """The name in messages."""
    key: str | None
    """Identifies the results of ``observe`` in the cache; None: they are not cached."""
    identity: str
    """What tells it from another metric of its name; empty for a built-in one."""
    higher_is_better: bool
    bounded: bool
    """Whether its values lie between 0 and 1."""
    of_nothing: float | None
    """The figure of a model that gives no answer at all; None where every model gives one."""
    output: int | str | None
    reads_all_outputs: bool
    """Whether ``observe`` takes every output of a model that has several, as a dict by name."""
    wants_names: bool
    """Whether a dict by name is also made of the only output of a model."""
    figures: Columns
    """The arrays that ``observe`` returns, by name."""

    def reads_classes(self, rows: int) -> bool:
        """Whether it reads an output with so many rows of channels per sample as class scores."""

    def observe(self, output: Any, labels: Array, inputs: Any = None) -> dict[str, Array]:
        """Per-sample figures of a batch; *inputs* as in the user's data."""

    def try_on(self, output: Any, labels: Array, inputs: Any, every: Array | None) -> None:
        """Raises ConfigurationError if the answers on a few samples do not fit the metric.

        *every*: the labels of all samples, where they are in memory; they are checked too.
        """

    def keeper(self, split: Split) -> Keeper | None:
        """Gathers from a pass over the split what ``chance`` needs beside ``observe``."""

    def value(self, evidence: Evidence) -> float:
        """The metric of one model, without an interval."""

    def estimate(self, evidence: Evidence, resampling: Resampling = ALL) -> Estimate:
        """The metric of one model."""

    def worse_by(
        self, reference: Evidence, artifact: Evidence, resampling: Resampling = ALL
    ) -> Estimate:
        """How much worse the artifact is, on the same samples: positive is worse."""

    def kept(self, evidence: Evidence) -> dict[str, Array] | None:
        """What is kept of a pass for a later comparison: arrays of shape (n,), bool or float32.

        None for a metric of the whole set: it is compared by its value.
        """

    def restored(self, kept: Mapping[str, Array]) -> dict[str, Array]:
        """The figures that ``worse_by`` compares, from those kept."""

    def chance(
        self, reference: Evidence, resampling: Resampling = ALL
    ) -> Chance | Unchecked | None:
        """The reference against an answer that knows nothing of the sample, on the same samples.

        None where the reference has no finite figure: that is told elsewhere.
        """
