"""The folder of a session: its own, and gone with it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.tidy import scratch
from pytest_edgegate.tidy.scratch import Scratch, sweep

OWNER = """
import sys
from pytest_edgegate.tidy.scratch import SCRATCH
SCRATCH.join()
(SCRATCH.folder() / "a file").write_text("left")
print(SCRATCH.folder(), flush=True)
if sys.argv[1] == "wait":
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def own() -> Iterator[Scratch]:
    made = Scratch()
    yield made
    made.remove()


@pytest.fixture
def owner(temporary: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """A process with a folder of its own, which it has written a line about."""
    running: list[subprocess.Popen[str]] = []

    def start(how: str) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, sys.path))
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, how],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": path},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_it_is_made_when_it_is_needed_and_removed_with_the_session(
    own: Scratch, temporary: Path
) -> None:
    own.join()
    assert list(temporary.iterdir()) == []
    folder = own.folder()
    assert own.folder() == folder
    assert own.subfolder("copy").parent == folder
    (folder / "a file").write_text("of the session")
    own.leave()
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes of POSIX")
def test_only_its_user_can_enter_it(own: Scratch) -> None:
    for folder in (own.folder(), own.folder().parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_goes_with_the_last_session_of_the_process(own: Scratch) -> None:
    own.join()
    own.join()
    folder = own.folder()
    own.leave()
    assert folder.is_dir()
    own.leave()
    assert not folder.exists()


def test_one_that_somebody_removed_is_made_anew(own: Scratch, temporary: Path) -> None:
    import shutil

    first = own.folder()
    shutil.rmtree(first.parent)
    assert own.folder().is_dir()
    own.remove()
    assert list(temporary.iterdir()) == []


def test_a_session_that_ends_leaves_nothing(
    owner: Callable[[str], subprocess.Popen[str]], temporary: Path
) -> None:
    told, _ = owner("end").communicate()
    assert str(temporary) in told
    assert list(temporary.iterdir()) == []


def test_what_a_killed_session_left_goes_with_the_next(
    owner: Callable[[str], subprocess.Popen[str]], own: Scratch, temporary: Path
) -> None:
    killed, living = owner("wait"), owner("wait")
    assert killed.stdout is not None
    assert living.stdout is not None
    left, kept = (Path(each.stdout.readline().strip()) for each in (killed, living))  # type: ignore[union-attr]
    killed.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    killed.wait()
    assert (left / "a file").is_file()
    own.join()
    assert not left.exists()
    assert (kept / "a file").is_file()  # its owner lives
    living.communicate("")
    assert not kept.exists()
    own.leave()
    assert list(temporary.iterdir()) == []


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of what else was imported
def test_a_forked_process_does_not_remove_it(own: Scratch) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no forks here")
    folder = own.folder()
    child = os.fork()
    if child == 0:
        own.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert folder.is_dir()


def test_the_folder_of_another_user_is_refused(
    own: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = own.folder().parent
    other = Scratch()
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    mine = base.with_name("edgegate-987654")
    mine.mkdir()
    with pytest.raises(StorageError, match="is no folder of yours") as raised:
        other.folder()
    assert "TMPDIR" in raised.value.remedy
    (mine / "left").mkdir()
    sweep(mine)
    assert (mine / "left").is_dir()
    mine.joinpath("left").rmdir()


def test_a_link_in_its_place_is_refused(temporary: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (temporary / scratch._base().name).symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is no folder of yours"):
        Scratch().folder()


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="can't be written: No such file") as raised:
        Scratch().folder()
    assert "TMPDIR" in raised.value.remedy


def test_temporary_files_are_led_away_only_meanwhile(own: Scratch, temporary: Path) -> None:
    with own.temporary_files():
        inside, path = tempfile.mkstemp()
        os.close(inside)
    outside, other = tempfile.mkstemp()
    os.close(outside)
    assert Path(path).is_relative_to(own.folder())
    assert Path(other).parent == temporary
    own.remove()
    assert not Path(path).exists()
    assert Path(other).exists()


def test_an_import_is_led_away_by_the_environment(
    own: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "before")
    monkeypatch.delenv("TEMP", raising=False)
    with own.temporary_environment():
        assert Path(os.environ["TMPDIR"]).is_relative_to(own.folder())
        assert os.environ["TEMP"] == os.environ["TMPDIR"]
    assert os.environ["TMPDIR"] == "before"
    assert "TEMP" not in os.environ


def test_what_frameworks_write_meanwhile_goes_with_the_session(temporary: Path) -> None:
    from pytest_edgegate.backends.native_output import held_native_output

    with held_native_output():
        inside, path = tempfile.mkstemp("__autograph_generated_file")  # as TensorFlow does
        os.close(inside)
    assert Path(path).is_relative_to(scratch.SCRATCH.folder())
    scratch.SCRATCH.remove()
    assert list(temporary.iterdir()) == []


def test_a_session_that_ends_meanwhile_leaves_the_folder_that_is_written_to(own: Scratch) -> None:
    outside = tempfile.gettempdir()
    own.join()
    with own.temporary_files():
        own.leave()
        with own.temporary_files(), tempfile.TemporaryFile() as written:
            written.write(b"x")
        inside = Path(tempfile.gettempdir())
        assert inside.is_dir()
    assert tempfile.gettempdir() == outside
    assert not inside.exists()
    assert own.folder().parent.parent == Path(outside)


def test_a_folder_that_went_meanwhile_is_made_where_it_was(own: Scratch) -> None:
    outside = tempfile.gettempdir()
    with own.temporary_files():
        own.remove()
        with own.temporary_files():
            assert own.folder().parent.parent == Path(outside)
    assert own.folder().parent.parent == Path(outside)


def test_an_environment_that_leads_there_is_not_remembered(
    own: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    outside = tempfile.gettempdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    with own.temporary_environment():
        tempfile.gettempdir()
    assert tempfile.gettempdir() == outside
