"""The fixture ``edge_reference``: the model under test as it is."""

from __future__ import annotations

from functools import cached_property

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.subject import Subject


class Reference:
    """``name``, ``format`` and ``digest`` of the model under test, and its metric when asked."""

    def __init__(self, session: EdgeSession, subject: Subject) -> None:
        self._session = session
        self._subject = subject

    @cached_property
    def _model(self) -> SourceModel:
        return self._session.recogniser.subject(self._subject)

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def format(self) -> str:
        return self._model.node[0]

    @property
    def digest(self) -> str:
        return self._model.digest()

    @cached_property
    def accuracy(self) -> float:
        """The metric on the evaluation split, in its own unit."""
        split = self._session.recogniser.dataset(self._subject.data).evaluation
        scoring = as_scoring(self._subject.metric, indexable=split.indexable)
        if not self._model.runtime:
            raise UnsupportedError(f"nothing runs {self.name} as it is", "give another model")
        from pytest_edgegate.session.observing import Seen

        reference = Seen(self._model, self._model.digest(), self._model.runtime)
        seen = self._session.observer.predictions(reference, split, scoring)
        return scoring.estimate(seen).value
