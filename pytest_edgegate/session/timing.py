"""Where the latency of a target is told: on this host, on a device, or by a vendor's tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.core.ports import (
    Device,
    Estimator,
    Example,
    Inspector,
    Stopwatch,
    Timed,
    TimingJob,
)
from pytest_edgegate.core.progress import Tell
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import arrange, noise
from pytest_edgegate.data.laid_out import as_model, transposed
from pytest_edgegate.measures.latency import unreachable
from pytest_edgegate.registry import Registry


@dataclass(frozen=True)
class Form:
    """A file and how its axes lie beside the user's data."""

    path: Path
    layout: Layout


@dataclass(frozen=True)
class Timing:
    """What times files of one format for one target."""

    registry: Registry
    target: Target
    runtime: str
    inspector: Inspector
    example: Example | None
    """A real sample, where there is one; noise else."""
    timeout: float
    """Seconds a round."""
    patience: float
    """Seconds in all."""
    tell: Tell

    def estimated(self, path: Path, metric: str) -> Finding | None:
        """What a vendor's tool says, where the target names one."""
        kind, _, name = self.target.latency_source.partition(":")
        if kind != "vendor" or kind_of(metric).on_host_only:
            return None
        if name not in self.registry.names("estimator"):
            return self._nothing_reaches(metric, name)
        estimator: Estimator = self.registry.get("estimator", name)
        if metric not in estimator.metrics:
            return NotMeasured(
                metric,
                f"{name} does not tell {metric} of {self.target.title}",
                f"gate one of {', '.join(estimator.metrics)} instead",
            )
        return estimator.estimate(path, metric, self.target)

    def fault(self, metric: str) -> NotMeasured | None:
        """Why nothing here times *metric*, or None."""
        url = self._url
        if url is None or (kind_of(metric).on_host_only and not self._on_host):
            return unreachable(metric, self.target)
        if url.partition(":")[0] not in self.registry.names("device"):
            return self._nothing_reaches(metric, url)
        return None

    def open(self, form: Form, reference: Form | None) -> Stopwatch:
        """The files about to be timed. Only where ``fault`` found none."""
        url = self._url
        assert url is not None  # fault() would have told
        device: Device = self.registry.get("device", url.partition(":")[0])
        job = TimingJob(
            url, self.runtime, self.registry.get("runtime", self.runtime),
            self.registry.entry("runtime", self.runtime), self._timed(form),
            None if reference is None else self._timed(reference), self.timeout, self.patience,
            self.tell,
        )  # fmt: skip
        return device.open(job)

    @property
    def _on_host(self) -> bool:
        return self.target.is_host(processor().machine)

    @property
    def _url(self) -> str | None:
        """``host``, or the URL of the target's own device; None where there is neither."""
        source = self.target.latency_source
        if source.startswith("device:"):
            return source.removeprefix("device:")
        return (source or "host") if self._on_host else None

    def _nothing_reaches(self, metric: str, name: str) -> NotMeasured:
        return NotMeasured(
            metric,
            f"{self.target.name} names {name!r} for its latency, and nothing installed reaches it",
            "install the package that brings it, or mend latency.source of the target; without, "
            f"run with --edge-allow-unmeasured={self.target.name}:{metric}",
        )

    def _timed(self, form: Form) -> Timed:
        inputs = self.inspector.describe(form.path).inputs
        if self.example is None:
            return Timed(form.path, tuple(map(noise, inputs)))
        seen = as_model(inputs, form.layout.inputs)
        sample = arrange(self.example.arrays, self.example.names, seen, "evaluation")
        return Timed(form.path, transposed(sample, form.layout.inputs))
