"""The failure of a test by its budgets: a finding, where ``core.errors`` has faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgegate.core.verdict import Verdict


class BudgetExceeded(AssertionError):  # noqa: N818 - a finding, named as pytest users read it
    """One or more budgets are exceeded. ``verdicts`` has all verdicts of the call, worst first."""

    def __init__(self, text: str, verdicts: Sequence[Verdict] = ()) -> None:
        super().__init__(text)
        self.verdicts = tuple(verdicts)
