"""What differs between systems stands in one package, and holds under the names of all of them."""

from __future__ import annotations

import ast
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import pytest_edgegate
from pytest_edgegate.storage.ownership import doubt
from pytest_edgegate.systems import files, machine, name, processes
from pytest_edgegate.tidy import supervised
from pytest_edgegate.tidy.scratch import Scratch

PACKAGE = Path(pytest_edgegate.__file__).parent
NAMES = ("linux", "macos", "windows", "other")
POSIX_ONLY = (
    *("chown", "fchmod", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getuid"),
    *("killpg", "mkfifo", "register_at_fork", "sched_getaffinity", "setsid", "sysconf", "uname"),
    *("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_NOFOLLOW", "copy_file_range", "statvfs"),
)
ASKED = (*POSIX_ONLY, "name", "O_BINARY")
MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "msvcrt", "winreg", "platform", "select"}
TEXTS = re.compile(r"^/(proc|sys|dev)/")
OTHER = {"sys": ("platform", "getwindowsversion"), "signal": ("alarm", "SIGALRM", "SIGKILL")}


def asks(path: Path) -> Iterator[str]:
    """Where a module asks for what only some systems have."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found = ""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = {"os": ASKED, **OTHER}.get(node.value.id, ())
            found = node.attr if node.attr in names else ""
        elif isinstance(node, ast.Import):
            found = " ".join(MODULES & {each.name for each in node.names})
        elif isinstance(node, ast.ImportFrom):
            found = node.module if node.module in MODULES else ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = node.value if TEXTS.match(node.value) else ""
            found = found or (node.value if node.value in POSIX_ONLY else "")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr":
            owner = node.args[0]
            found = "hasattr" if getattr(owner, "id", "") in ("os", "signal", "sys") else ""
        if found:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {found}"


def test_only_one_package_asks_for_the_system() -> None:
    others = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "systems"]
    assert [each for path in others for each in asks(path)] == []


def test_the_search_finds_what_it_is_for() -> None:
    found = [each for path in (PACKAGE / "systems").glob("*.py") for each in asks(path)]
    told = " ".join(found)
    for each in ("platform", "resource", "register_at_fork", "/proc/cpuinfo", "SIGALRM", "chown"):
        assert each in told


@pytest.fixture(params=NAMES)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(name, "NAME", request.param)
    return str(request.param)


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Windows without what its Python lacks."""
    monkeypatch.setattr(name, "NAME", "windows")
    for module, names in ((os, POSIX_ONLY), (signal, OTHER["signal"])):
        for each in names:
            if hasattr(module, each):
                monkeypatch.delattr(module, each)


def test_the_machine_is_told_as_far_as_the_system_does(system: str) -> None:
    _, kind, flags = machine.processor_flags()
    assert kind
    assert system == "linux" or not flags
    assert machine.cores() >= 1
    if system != "linux":
        assert machine.governor() == "unknown"
    assert (machine.load() is None) == (system == "windows")
    assert (machine.physical_memory() is None) == (system == "windows")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: A 1\nflags\t\t: avx fma\n\nmodel name: B\n", ("A 1", {"avx", "fma"})),
        ("Features\t: asimd sve\n", ("given", {"asimd", "sve"})),
        ("", ("given", set())),
    ],
)
def test_cpuinfo(text: str, expected: tuple[str, set[str]]) -> None:
    assert machine.read_cpuinfo(text, "given") == expected


def test_everything_works_without_what_windows_lacks(windows: None, tmp_path: Path) -> None:
    seen = tmp_path.stat()
    assert files.user_name() == "user"
    assert files.belongs_to_us(seen)
    assert not files.is_open_to_others(seen)
    assert not files.doubt_of_owner(seen)
    assert doubt(tmp_path) is None
    assert not files.own_descriptors()
    assert not files.deletes_open_files()
    files.give_owner(tmp_path, seen)
    target = tmp_path / "file"
    target.write_bytes(b"12")
    assert files.takes_more(0, 0)
    os.close(os.open(target, files.reading_flags()))
    os.close(files.open_to_write(target))
    with target.open("rb") as source, (tmp_path / "copy").open("wb") as made:
        files.copy_by_system(source, made)
    processes.in_every_fork(lambda: pytest.fail("a fork"))
    processes.end_after(1)
    assert not processes.was_ended_by_time(-14)
    processes.end_with(0)
    processes.yield_memory()
    assert machine.cores() >= 1
    assert machine.load() is None


def test_without_supervisor_a_plain_process_is_started(
    windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "start_python", lambda code: code)
    assert supervised.start_supervised("the code") == "the code"


@pytest.mark.parametrize("system", ["macos", "other"], indirect=True)
def test_only_linux_ends_a_process_with_its_parent(system: str) -> None:
    processes.end_with(0)  # on Linux this process would end, whose parent is another one
    processes.yield_memory()


@pytest.mark.parametrize("system", NAMES, indirect=True)
def test_freed_memory_is_returned_where_the_c_library_can(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    library = SimpleNamespace(malloc_trim=asked.append)
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    processes.return_memory()
    assert asked == ([0] if system == "linux" else [])
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())  # musl
    processes.return_memory()


def test_a_session_has_its_folder_on_every_system(system: str, tmp_path: Path) -> None:
    scratch = Scratch()
    scratch.join()
    folder = scratch.folder()
    assert folder.parent.name == ("edgegate-user" if system == "windows" else folder.parent.name)
    (folder / "file").write_text("")
    scratch.leave()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", "linux"),
        ("linux2", "linux"),
        ("darwin", "macos"),
        ("win32", "windows"),
        ("cygwin", "windows"),
        ("freebsd14", "other"),
    ],
)
def test_names(platform: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert name._name() == expected
