"""Times the files of a target: on this host, or on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import (
    Device,
    Inspector,
    Stopwatch,
    Timed,
    TimingJob,
)
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.core.target import LatencySource, Target
from pytest_edgegate.data.feeding import arrange, noise
from pytest_edgegate.measures.latency import unreachable
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.measuring.specimen import Specimen


@dataclass(frozen=True)
class Timing:
    """Times files of one format for one target."""

    registry: Registry
    target: Target
    inspector: Inspector
    timeout: float
    """The timeout of a round in seconds."""
    patience: float
    """The time for a measurement in seconds."""
    progress: Progress

    def fault(self, metric: str) -> NotMeasured | None:
        """The finding if nothing here can time *metric*, else None."""
        source = self._source(on_host_only=kind_of(metric).on_host_only)
        if source is None:
            return unreachable(metric, self.target)
        return None if self._is_reached(source) else self._nothing_opens(metric, source)

    @property
    def compares(self) -> bool:
        """Whether two files can be timed against each other."""
        source = self._source(on_host_only=True)
        return source is not None and self._is_reached(source)

    def _source(self, *, on_host_only: bool) -> LatencySource | None:
        return self.target.timed_by(processor().machine, on_host_only=on_host_only)

    def _is_reached(self, source: LatencySource) -> bool:
        return source.scheme in self.registry.names("device")

    def open(self, specimen: Specimen, reference: Specimen | None) -> Stopwatch:
        """A stopwatch for the files. Requires that ``fault`` returned None."""
        source = self.target.latency_source
        device: Device = self.registry.get("device", source.scheme)
        job = TimingJob(
            url=source.url,
            runtime=specimen.runtime,
            opener=self.registry.get("runtime", specimen.runtime),
            entry=self.registry.entry("runtime", specimen.runtime),
            artifact=self._timed(specimen),
            reference=None if reference is None else self._timed(reference),
            timeout=self.timeout,
            patience=self.patience,
            progress=self.progress,
        )
        return device.open(job)

    def _nothing_opens(self, metric: str, source: LatencySource) -> NotMeasured:
        return NotMeasured(
            f"{self.target.name} is timed on {source.url!r}, and nothing installed reaches it",
            "install the package that brings it, or fix latency.source of the target; without, "
            f"run with --edge-allow-unmeasured={self.target.name}:{metric}",
        )

    def _timed(self, specimen: Specimen) -> Timed:
        """The file with a real sample if there is one, else with noise."""
        path, example = _file(specimen), specimen.example
        inputs = self.inspector.describe(path).inputs
        if example is None:
            return Timed(path, tuple(map(noise, inputs)), specimen.files)
        seen = specimen.as_model(inputs)
        sample = arrange(example.arrays, example.names, seen, "evaluation")
        return Timed(path, specimen.as_file(sample), specimen.files)


def _file(specimen: Specimen) -> Path:
    assert isinstance(specimen.model, Path)  # only artifacts and exports are timed
    return specimen.model
