"""Whose a cache folder is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_edgegate.storage.ownership import doubt


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775, 0o770, 0o1777, 0o1757])
def test_a_folder_of_one_s_own_is_no_finding(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert doubt(tmp_path) is None


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o702])
def test_everyone_can_write(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    told = str(doubt(tmp_path))
    assert f"the cache {tmp_path} can be written to by everyone (mode {mode:o})" in told
    assert "who can write to a cache decides verdicts" in told
    assert "--edge-cache=FOLDER" in told


def test_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    owner = tmp_path.stat().st_uid
    assert f"belongs to another user (uid {owner})" in str(doubt(tmp_path))


def test_what_a_link_leads_to_counts(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to("open")
    assert "by everyone" in str(doubt(tmp_path / "link"))


def test_none_yet(tmp_path: Path) -> None:
    assert doubt(tmp_path / "cache") is None
    assert doubt(tmp_path / "nul\0l") is None
