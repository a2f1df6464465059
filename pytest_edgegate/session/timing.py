"""Where the files of a target are timed: on this host, or on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import (
    Device,
    Example,
    Inspector,
    Stopwatch,
    Timed,
    TimingJob,
)
from pytest_edgegate.core.progress import Tell
from pytest_edgegate.core.target import LatencySource, Target
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

    def fault(self, metric: str) -> NotMeasured | None:
        """Why nothing here times *metric*, or None."""
        source = self.target.timed_by(kind_of(metric), processor().machine)
        if source is None:
            return unreachable(metric, self.target)
        if source.scheme not in self.registry.names("device"):
            return self._nothing_opens(metric, source)
        return None

    def open(self, form: Form, reference: Form | None) -> Stopwatch:
        """The files about to be timed. Only where ``fault`` found none."""
        source = self.target.latency_source
        device: Device = self.registry.get("device", source.scheme)
        job = TimingJob(
            url=source.url,
            runtime=self.runtime,
            opener=self.registry.get("runtime", self.runtime),
            entry=self.registry.entry("runtime", self.runtime),
            artifact=self._timed(form),
            reference=None if reference is None else self._timed(reference),
            timeout=self.timeout,
            patience=self.patience,
            tell=self.tell,
        )
        return device.open(job)

    def _nothing_opens(self, metric: str, source: LatencySource) -> NotMeasured:
        return NotMeasured(
            metric,
            f"{self.target.name} is timed on {source.url!r}, and nothing installed reaches it",
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
