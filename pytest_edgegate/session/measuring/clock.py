"""``measures.providers.Clock``: times an artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Against, Budget, kind_of
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.measures.latency_percentiles import QUANTILES, Times, time_until_decided
from pytest_edgegate.session.measuring.file import CaseFile
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.timing import Timing


class CaseClock:
    """*asked*: the budgets that are judged together, by metric."""

    def __init__(
        self,
        file: CaseFile,
        timing: Timing,
        asked: Mapping[str, Budget],
        floor: float,
        accepted: Callable[[], Specimen | NotMeasured],
    ) -> None:
        """*accepted* finds the accepted file."""
        self._file = file
        self._others: Mapping[Against, Callable[[], Specimen | NotMeasured]] = {
            "float export": lambda: _float_export(file),
            "accepted file": accepted,
        }
        self._timing = timing
        self.limits = {
            name: float(each.limit)
            for name, each in asked.items()
            if each.kind.rule == "latency" and name not in file.target.tools
        }
        self.floor = floor

    @property
    def patience(self) -> float:
        return self._timing.patience

    @property
    def progress(self) -> Progress:
        return self._timing.progress

    def stopwatch(self, metric: str) -> Stopwatch | NotMeasured:
        fault = self._timing.fault(metric)
        if fault is not None:
            return fault
        against = kind_of(metric).against
        other = None if against is None else self._others[against]()
        if isinstance(other, NotMeasured):
            return other
        return self._timing.open(self._file.specimen, other)

    def between(self, before: Artifact, after: Artifact) -> Stopwatch | None:
        """A stopwatch that compares two float exports; None if nothing here can time them."""
        if not self._timing.compares:
            return None
        specimen = self._file.specimen
        return self._timing.open(specimen.of_export(after), specimen.of_export(before))

    def times(self, metric: str) -> Times | NotMeasured:
        fault = self._timing.fault(metric)
        return self._times if fault is None else fault

    @cached_property
    def _times(self) -> Times | NotMeasured:
        limits = {name: limit for name, limit in self.limits.items() if name in QUANTILES}
        opened = self.stopwatch(next(iter(limits)))
        if isinstance(opened, NotMeasured):
            return opened
        with opened as watch:
            return time_until_decided(watch, limits, self.patience, self.progress)


def _float_export(file: CaseFile) -> Specimen | NotMeasured:
    export = file.float_export()
    if isinstance(export, NotMeasured):
        return export
    if export.digest == file.specimen.digest:
        return _itself(file.artifact)
    return file.specimen.of_export(export)


def _itself(artifact: Artifact) -> NotMeasured:
    return NotMeasured(
        f"{artifact.path.name} is the float export of the model under test itself: a ratio to "
        "itself is always 1",
        "gate latency_p50 or latency_p95, or give the float model as edge_model and gate this "
        "file with edge_gate.check",
    )
