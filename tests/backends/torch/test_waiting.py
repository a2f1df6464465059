"""Threads of OpenMP that have no work sleep, where torch is loaded by the gate."""

from __future__ import annotations

import os

import pytest

from pytest_edgegate.backends.torch import loading


@pytest.mark.parametrize(("given", "seen"), [(None, "passive"), ("active", "active")])
def test_they_sleep_unless_the_user_says_otherwise(
    given: str | None, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    with loading._waiting_asleep():
        assert os.environ["OMP_WAIT_POLICY"] == seen
    assert os.environ.get("OMP_WAIT_POLICY") == given, "the user's programs are not affected"
