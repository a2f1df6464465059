"""The value of the fixture ``edge_reference``: the model under test itself."""

from __future__ import annotations

from functools import cached_property

from pytest_edgegate.session.case import Case
from pytest_edgegate.session.run import EdgeSession


class Reference:
    """``name``, ``format`` and ``digest`` of the model under test, and its metric on demand."""

    def __init__(self, session: EdgeSession, case: Case) -> None:
        self._session = session
        self._subject = case.subject

    def __repr__(self) -> str:
        return f"<Reference {self.name}: {self.format}>"

    @property
    def name(self) -> str:
        return self._subject.model.name

    @property
    def format(self) -> str:
        return self._subject.model.node[0]

    @property
    def digest(self) -> str:
        return self._subject.model.digest()

    @cached_property
    def accuracy(self) -> float:
        """The metric on the evaluation split, in its own unit."""
        from pytest_edgegate.session.measuring.specimen import Specimen

        subject = self._subject
        found = self._session.observer.predictions(
            Specimen.of_model(subject.model), subject.dataset.evaluation, subject.scoring
        )
        return subject.scoring.value(found)
