"""What may come out of a user's own function while the gate calls it."""

from __future__ import annotations

_TIME_LIMIT = "Failed"
"""What pytest-timeout raises, and ``pytest.fail``: the test is red by it."""


def ends_more(raised: BaseException) -> bool:
    """Whether it ends more than the function, and passes as it is: an interrupt or a time limit.

    An exit or a skip does not: no gate is passed over because a metric wants to leave.
    """
    is_interrupt = isinstance(raised, KeyboardInterrupt | GeneratorExit)
    return is_interrupt or type(raised).__name__ == _TIME_LIMIT


def told(raised: BaseException) -> str:
    """The kind of an exception, with its text if it has one."""
    text = str(raised).strip()
    return f"{type(raised).__name__}: {text}" if text else type(raised).__name__
