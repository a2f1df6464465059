"""What a later leg would refuse is told before an earlier one trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_edgegate import QAT, Prune
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.plan import Move
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.subject import Given
from pytest_edgegate.testing.fake_training import FakeTraining
from pytest_edgegate.testing.fakes import FORMAT

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]


class Pruning(FakeTraining):
    """Counts its trainings."""

    moves = (Move((FORMAT, "float32"), Prune, (FORMAT, "float32")),)

    def __init__(self) -> None:
        self.trained = 0

    def apply(self, *given: Any) -> Any:
        self.trained += 1
        return super().apply(*given)


class Quantising(FakeTraining):
    """Looks at the labels of the training before it is its turn; counts how often."""

    moves = (Move((FORMAT, "float32"), QAT, (FORMAT, "int8")),)

    def __init__(self, refuses: bool) -> None:
        self.refuses, self.checked = refuses, 0

    def check(self, model: Any, step: Any, target: Any, data: Any) -> None:
        self.checked += 1
        assert model.name == "m"
        assert step == QAT()
        assert data.training(()).settings.seed == 0
        if self.refuses:
            raise UnsupportedError("m has a layer without an int8 form", "leave it out")


def session_with(start: Starter, *transforms: Any) -> EdgeSession:
    session = start()
    session.registry.add("transform", "fake-training", transforms[0])
    session.registry.add("transform", "quantising", transforms[1])
    return session


def test_a_later_refusal_comes_before_the_training(start: Starter, subject: Maker) -> None:
    pruning, quantising = Pruning(), Quantising(refuses=True)
    session = session_with(start, pruning, quantising)
    with pytest.raises(UnsupportedError, match="without an int8 form"):
        session.compress(session.case(subject(), session.target("fake-board")), (Prune(), QAT()))
    assert (pruning.trained, quantising.checked) == (0, 1)


def test_what_is_built_is_not_looked_at_again(start: Starter, subject: Maker) -> None:
    pruning, quantising, given = Pruning(), Quantising(refuses=False), subject()
    for _ in range(2):
        session = session_with(start, pruning, quantising)
        session.compress(session.case(given, session.target("fake-board")), (Prune(), QAT()))
    assert (pruning.trained, quantising.checked) == (1, 1)


def test_a_first_step_is_left_to_itself(start: Starter, subject: Maker) -> None:
    quantising = Quantising(refuses=True)
    session = session_with(start, Pruning(), quantising)
    session.compress(session.case(subject(), session.target("fake-board")), (QAT(),))
    assert quantising.checked == 0
