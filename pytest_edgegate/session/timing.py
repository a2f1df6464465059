"""Where the latency of a target is told: on this host, on a device, or by a vendor's tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.core.ports import (
    Device,
    Estimator,
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
from pytest_edgegate.session.specimen import Specimen


@dataclass(frozen=True)
class Timing:
    """What times files of one format for one target."""

    registry: Registry
    target: Target
    inspector: Inspector
    timeout: float
    """Seconds a round."""
    patience: float
    """Seconds in all."""
    progress: Tell

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

    def open(self, specimen: Specimen, reference: Specimen | None) -> Stopwatch:
        """The files about to be timed. Only where ``fault`` found none."""
        url = self._url
        assert url is not None  # fault() would have told
        device: Device = self.registry.get("device", url.partition(":")[0])
        job = TimingJob(
            url,
            specimen.runtime,
            self.registry.get("runtime", specimen.runtime),
            self.registry.entry("runtime", specimen.runtime),
            self._timed(specimen),
            None if reference is None else self._timed(reference),
            self.timeout,
            self.patience,
            self.progress,
        )
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

    def _timed(self, specimen: Specimen) -> Timed:
        """On a real sample where there is one, else on noise."""
        path, example = _file(specimen), specimen.example
        inputs = self.inspector.describe(path).inputs
        if example is None:
            return Timed(path, tuple(map(noise, inputs)))
        seen = as_model(inputs, specimen.layout.inputs)
        sample = arrange(example.arrays, example.names, seen, "evaluation")
        return Timed(path, transposed(sample, specimen.layout.inputs))


def _file(specimen: Specimen) -> Path:
    assert isinstance(specimen.model, Path)  # only artifacts and exports are timed
    return specimen.model
