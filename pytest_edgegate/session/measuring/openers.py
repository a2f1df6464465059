"""The ways of opening a model for a pass over a split."""

from __future__ import annotations

from pytest_edgegate.data.splits import Split
from pytest_edgegate.session.measuring.kept_steadiness import FittingOpener, KeptSteadiness
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.remembered import AnswerMemory, RememberingOpener
from pytest_edgegate.storage.cache import Cache


class Openers:
    """Opens models as they are, as the samples need it, or with the answers of earlier passes."""

    def __init__(self, plain: Opener, cache: Cache) -> None:
        self.plain = plain
        self.steadiness = KeptSteadiness(plain, cache)
        self._memory = AnswerMemory()

    def fitting(self, split: Split) -> FittingOpener:
        """One sample at a time, or in batches that have been shown to give the same answers."""
        return FittingOpener(self.plain, self.steadiness, split)

    def remembering(self, split: Split) -> RememberingOpener:
        """The same; a slow model is not asked again for samples that it has answered."""
        return RememberingOpener(self.fitting(split), self._memory, split)
