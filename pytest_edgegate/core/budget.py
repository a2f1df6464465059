"""Budgets: what may be asked of an artifact, and in which unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["interval", "exact", "latency"]
Direction = Literal["at most", "at least"]


@dataclass(frozen=True)
class MetricInfo:
    """How one budget reads: its unit, its direction and the rule that decides it."""

    name: str
    unit: str
    direction: Direction
    rule: Rule


def _metric(unit: str, direction: Direction, rule: Rule, *names: str) -> dict[str, MetricInfo]:
    return {name: MetricInfo(name, unit, direction, rule) for name in names}


METRICS: dict[str, MetricInfo] = {
    **_metric("points", "at most", "interval", "accuracy_drop"),
    **_metric("ratio", "at most", "interval", "accuracy_drop_relative"),
    **_metric("metric", "at least", "interval", "accuracy_min"),
    **_metric("bytes", "at most", "exact", "size"),
    **_metric("ratio", "at least", "exact", "compression"),
    **_metric("count", "at most", "exact", "parameters", "macs"),
    **_metric(
        "s", "at most", "latency", "latency_p50", "latency_p95", "latency_p99", "latency_first"
    ),
    **_metric("ratio", "at most", "latency", "latency_ratio"),
    **_metric("ratio", "at least", "interval", "parity_agreement"),
    **_metric("ratio", "at least", "exact", "parity_within_lsb"),
    **_metric("steps", "at most", "exact", "parity_lsb"),
    **_metric("value", "at most", "exact", "parity_abs", "export_error"),
    **_metric("dB", "at least", "exact", "sqnr_db"),
    **_metric("bytes", "at most", "exact", "memory", "flash"),
    **_metric("ratio", "at least", "exact", "mapped_ops"),
    **_metric("bytes", "at most", "exact", "streamed_bytes"),
    **_metric("points", "at most", "interval", "accuracy_regression"),
    **_metric("ratio", "at most", "exact", "size_regression"),
    **_metric("ratio", "at most", "latency", "latency_regression"),
}
"""Every budget that a marker accepts, also those that nothing can measure yet."""

CONTRACT = MetricInfo("contract", "offenders", "at most", "exact")
"""What every artifact has to be, budget or not: the target's dtypes, I/O and operators."""


@dataclass(frozen=True)
class Budget:
    """A limit on one metric, in the metric's own unit (bytes, seconds, points, ...)."""

    metric: str
    limit: float | int
    written: str = ""
    """The limit as the user wrote it, for messages."""
    direction: Direction | None = None
    """Set where the measure turns the direction (a floor becomes a ceiling for an error metric)."""

    @property
    def info(self) -> MetricInfo:
        return CONTRACT if self.metric == CONTRACT.name else METRICS[self.metric]
