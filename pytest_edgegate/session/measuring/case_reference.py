"""The model under test of a case over its evaluation samples, compared with chance."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.core.rules import may_end_early
from pytest_edgegate.data.splits import ArraySplit, Split
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Resampling, TopN, check_groups
from pytest_edgegate.measures.reference import ReferenceCheck, check_reference
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.wrong_reference import explained
from pytest_edgegate.settings.options import Settings


@dataclass(frozen=True)
class PassRules:
    """The user's settings about passes."""

    policy: str = "point"
    reference_check: bool = True
    bootstrap_time: float = 20.0
    """The seconds that the bootstrap of an interval may take."""

    @classmethod
    def of(cls, settings: Settings) -> PassRules:
        return cls(settings.policy, settings.reference_check, settings.bootstrap_time)


class CaseReference:
    """What is done with the model under test, before an artifact is built and after."""

    def __init__(self, case: Case, observer: Observer, rules: PassRules) -> None:
        self._case = case
        self._subject = case.subject
        self._observer = observer
        self._rules = rules

    @property
    def split(self) -> Split:
        return self._subject.dataset.evaluation

    @cached_property
    def resampling(self) -> Resampling:
        subject, limit = self._subject, self._rules.bootstrap_time
        counts = self._observer.resample_counts(limit, self.split, lambda: subject.metric_name)
        return Resampling(subject.groups, limit, counts)

    @property
    def is_checked(self) -> bool:
        """Whether it has to be better than chance."""
        return self._rules.reference_check and self._subject.dataset.reference_check

    def ends_early(self, asked: Iterable[str]) -> bool:
        """Whether only the drop of a 0/1 metric is judged, on arrays, on this very set.

        *asked*: the metrics that are judged beside those of the test's markers.
        """
        metrics = {*asked, *(each.metric for each in self._case.budgets)}
        return (
            not self._case.in_full
            and may_end_early(self._rules.policy, metrics)
            and isinstance(self.split, ArraySplit)
            and isinstance(self._subject.scoring, TopN)
            and self.resampling.groups is None
        )

    def predictions(self, specimen: Specimen) -> Evidence:
        """A pass over all samples, with a group for each where there are groups."""
        return self.grouped(self._observer.predictions(specimen, self.split, self._subject.scoring))

    def grouped(self, found: Evidence) -> Evidence:
        """Checks that there is a group for each sample: the length of a stream is known late."""
        if self.resampling.groups is not None:
            check_groups(self.resampling.groups, found.n)
        return found

    def is_trusted(self, found: Evidence) -> bool:
        """Whether an early decision may be based on the reference, by these results."""
        if not self.is_checked:
            return True
        return check_reference(self._subject.scoring, found, self.resampling).fault is None

    def better_than_chance(self, found: Evidence) -> ReferenceCheck:
        """Raises ConfigurationError for a reference that could have been proven better than chance.

        A set of samples is compared once: that may take seconds.
        """
        if not self.is_checked or found.nonfinite:
            return ReferenceCheck()
        known = self._subject.compared_with_chance
        check = next((each for evidence, each in known if evidence is found), None)
        if check is None:
            check = check_reference(self._subject.scoring, found, self.resampling)
            known.append((found, check))
        if check.fault is not None and check.grave:
            raise ConfigurationError(*explained(check.fault, self._case, self._observer, found))
        return check

    def check(self, found: Evidence) -> tuple[str, ...]:
        """The cautions of the comparison with chance; a fault of a small set is a warning."""
        check = self.better_than_chance(found)
        if check.fault is not None:
            warnings.warn("; ".join(check.fault), EdgeGateWarning, stacklevel=2)
        return check.cautions
