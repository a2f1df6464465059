"""What a user may say about training."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgegate import EdgeTraining
from pytest_edgegate.core.errors import ConfigurationError


def own(*given: Any) -> Any:
    return given


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"loss": "crossentropi"}, "unknown loss 'crossentropi', did you mean 'crossentropy'?"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm', did you mean 'adam'?"),
        ({"batch_size": 0}, "batch_size is a whole number from 1"),
        ({"batch_size": True}, "batch_size is a whole number from 1"),
        ({"seed": -1}, "seed is a whole number from 0"),
        ({"seed": 0.5}, "seed is a whole number from 0"),
        ({"augment": 3}, "augment is a function"),
        ({"loss": own}, "EdgeTraining(loss=...) is your own function"),
        ({"optimizer": own}, "EdgeTraining(optimizer=...)"),
        ({"augment": own}, "EdgeTraining(augment=...)"),
        ({"distill_loss": own}, "EdgeTraining(distill_loss=...)"),
    ],
)
def test_what_cannot_be_meant_is_refused(what: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        EdgeTraining(**what)
    assert words in str(raised.value)


def test_every_field_is_in_the_identity() -> None:
    known = [
        EdgeTraining(),
        EdgeTraining(loss="mse"),
        EdgeTraining(loss=own, version="1"),
        EdgeTraining(loss=own, version="2"),
        EdgeTraining(distill_loss=own, version="1"),
        EdgeTraining(optimizer="sgd"),
        EdgeTraining(augment=own, version="1"),
        EdgeTraining(batch_size=8),
        EdgeTraining(seed=8),
    ]
    identities = [repr(sorted(each.identity().items(), key=str)) for each in known]
    assert len(set(identities)) == len(known)


def test_a_version_that_names_nothing_changes_nothing() -> None:
    assert EdgeTraining(version="7").identity() == EdgeTraining().identity()
