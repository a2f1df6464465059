"""``python -m pytest_edgegate sysroot``: what it lacks here, and runs that fail or are killed.

The programs that it starts are stood in for by scripts where they have to fail, to print something
or to hang.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from emulated import beside, removed_in

import pytest_edgegate
from pytest_edgegate.__main__ import main
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, EdgeGateError
from pytest_edgegate.emulation import lacking, making
from pytest_edgegate.emulation.processors import PROCESSORS
from pytest_edgegate.emulation.sysroot import Sysroot, fault_of, folder_of, wanted

VERSIONS = {"numpy": "2.4.6", "ai-edge-litert": "2.3.0"}
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian\n'
TRIXIE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n'
PYTHON = sys.executable
ROOT = Path(pytest_edgegate.__file__).parents[1]
WHEELS = making._Making._wheels

Release = Callable[[str], Path]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    def write(text: str) -> Path:
        path = tmp_path / "os-release"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked in first for programs; pip is not run."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(lacking, "check_system", lambda versions: None)
    monkeypatch.setattr(making._Making, "_wheels", lambda self: nullcontext(str))
    script(folder, "dpkg", "echo amd64")
    script(folder, "apt-get", "")
    return folder


@pytest.fixture
def wheels_as_they_are(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip is run after all."""
    monkeypatch.setattr(making._Making, "_wheels", WHEELS)


def script(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def refused(versions: dict[str, str], release: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as error:
        lacking.check_system(versions, release)
    return error.value


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is about Linux")
@pytest.mark.parametrize(
    ("text", "name"),
    [(UBUNTU, "Ubuntu 24.04.1 LTS"), (TRIXIE, "Debian GNU/Linux 13 (trixie)"), ("", "another")],
)
def test_other_systems(release: Release, text: str, name: str) -> None:
    error = refused(VERSIONS, release(text))
    assert f"are taken from Debian 12 by their names there, and this is {name}" in error.message
    assert error.remedy.startswith("make it in Debian 12 (in a container: ")
    assert "use the target raspberry-pi" in error.remedy


def test_no_linux(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgegate.systems.name.NAME", "macos")
    assert "on Linux only" in refused(VERSIONS, release(DEBIAN)).message


def test_a_system_without_os_release(tmp_path: Path) -> None:
    assert "a Linux without" in refused(VERSIONS, tmp_path / "none").message


def test_missing_programs(
    release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(VERSIONS, release(DEBIAN))
    assert "apt-get and dpkg-deb and dpkg and tar, which is not here" in error.message


def test_no_pip(
    release: Release, monkeypatch: pytest.MonkeyPatch, programs: Path, tmp_path: Path
) -> None:
    monkeypatch.undo()
    for each in ("apt-get", "dpkg-deb", "dpkg", "tar"):
        script(programs, each, "")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(lacking, "_has_pip", lambda: False)
    assert refused(VERSIONS, release(DEBIAN)).remedy.startswith(f"{sys.executable} -m ensurepip")


def test_no_runtime_here(release: Release, monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
    monkeypatch.undo()
    for each in ("apt-get", "dpkg-deb", "dpkg", "tar"):
        script(programs, each, "")
    monkeypatch.setenv("PATH", str(programs))
    error = refused({"numpy": "2.4.6"}, release(DEBIAN))
    assert "has neither ai-edge-litert nor onnxruntime" in error.message
    assert error.remedy == "pip install 'pytest-edgegate[raspberry-pi]', or [onnx]"


def test_a_program_that_fails_is_quoted(programs: Path, tmp_path: Path) -> None:
    """Nothing of the folder stays."""
    script(programs, "apt-get", 'echo "Reading..."; echo "E: no route to deb.debian.org"; exit 100')
    within = tmp_path / "arm"
    told: list[str] = []
    with pytest.raises(CompressionError) as error:
        making.make({"numpy": "0.0.0"}, within, told.append)
    assert error.value.message == "apt-get -q update failed (100): E: no route to deb.debian.org"
    assert "run the command again" in error.value.remedy
    assert [each.name for each in within.iterdir()] == [".lock"]


def test_a_killed_run_leaves_nothing_that_is_used(programs: Path, tmp_path: Path) -> None:
    """Its programs end with it, and the next run removes what it left."""
    mark, within = tmp_path / "mark", tmp_path / "arm"
    script(programs, "apt-get", f"echo $$ > {mark}; exec sleep 600")
    code = (
        "from pathlib import Path; from pytest_edgegate.emulation import making; "
        f"making.make({{'numpy': '0.0.0'}}, Path({str(within)!r}), print)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        _wait(mark.is_file)
        _wait(lambda: bool(mark.read_text().strip()))
        process.send_signal(signal.SIGKILL)
    child = int(mark.read_text())
    _wait(lambda: not _runs(child))
    [left] = [each for each in within.iterdir() if each.name != ".lock"]
    assert left.name.startswith(".making-")
    assert not folder_of({"numpy": "0.0.0"}, within).exists()
    script(programs, "apt-get", "exit 1")
    with pytest.raises(EdgeGateError):
        making.make({"numpy": "0.0.0"}, within, print)
    assert [each.name for each in within.iterdir()] == [".lock"]


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = making.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(making.shutil, "disk_usage", lambda path: usage._replace(free=12_345_678))
    with pytest.raises(ConfigurationError, match="has 12 MB left") as error:
        making.make(VERSIONS, tmp_path, print)
    assert "--folder" in error.value.remedy


def test_a_place_that_cant_be_written(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(ConfigurationError, match="the folder can't be made in"):
        making.make(VERSIONS, taken / "arm", print)


def stand_in_for_pip(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """A shell script in the place of the Python that runs pip; returns the log of its arguments,
    a line for each call."""
    log = folder / "log"
    script(folder, "python", f'echo "$*" | sed "s/.*--abi none //" >> {log}\n{body}')
    monkeypatch.setattr(making.sys, "executable", str(folder / "python"))
    # what starts a program is a Python itself
    monkeypatch.setattr("pytest_edgegate.tidy.programs.sys", SimpleNamespace(executable=PYTHON))
    return log


def wheels(folder: Path, told: list[str]) -> making._Making:
    made = making._Making(folder, VERSIONS, told.append)
    with made._wheels() as started:
        made._finish(started)
    return made


OTHERS = (
    "echo 'ERROR: Ignored the following versions that require a different python version: 9'\n"
    "echo 'ERROR: Could not find a version that satisfies the requirement numpy==2.4.6 (from "
    "versions: 2.3.0, 2.4.0)'\necho 'ERROR: No matching distribution found for numpy==2.4.6'\n"
    "exit 1"
)
UNREACHED = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(Failed to "
    "establish a new connection: [Errno 111] Connection refused)': /simple/numpy/"
)
NONE = "Could not find a version that satisfies the requirement numpy==2.4.6 (from versions: none)"


def test_wheels_that_have_none_for_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version of this environment is taken where there is a wheel, else the newest."""
    body = f"case $* in *numpy==2.4.6*) {OTHERS};; esac"
    log = stand_in_for_pip(tmp_path, monkeypatch, body)
    told: list[str] = []
    made = wheels(tmp_path, told)
    assert log.read_text().splitlines()[-1] == "numpy ai-edge-litert==2.3.0 filelock>=3.12"
    made._tell_others({"numpy": "2.4.0", "ai-edge-litert": "2.3.0"})
    assert told == [
        "caution: numpy 2.4.6 of this environment has no wheel for aarch64 and Python 3.11: it is "
        "2.4.0 there"
    ]


@pytest.mark.parametrize(
    ("said", "calls"), [(f"{UNREACHED}\nERROR: {NONE}", 1), (f"ERROR: {NONE}", 3)]
)
def test_an_index_without_an_answer_unpins_nothing(
    said: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip finds no version at all there: that says nothing of wheels for ARM."""
    (tmp_path / "said").write_text(said)
    log = stand_in_for_pip(tmp_path, monkeypatch, f"cat {tmp_path / 'said'}; exit 1")
    with pytest.raises(CompressionError) as error:
        wheels(tmp_path, [])
    assert "numpy " not in log.read_text()
    assert len(log.read_text().splitlines()) == calls
    assert error.value.message.endswith(f"failed (1): {said}".replace("\n", "; "))
    assert "network" in error.value.remedy


def test_an_index_that_goes_away_unpins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two indexes, the one that is left has other versions."""
    (tmp_path / "said").write_text(UNREACHED + "\n")
    body = f"case $* in *--dry-run*) cat {tmp_path / 'said'};; esac\n{OTHERS}"
    log = stand_in_for_pip(tmp_path, monkeypatch, body)
    with pytest.raises(CompressionError, match="Connection refused"):
        wheels(tmp_path, [])
    assert len(log.read_text().splitlines()) == 2


def test_a_failing_apt_does_not_wait_for_pip(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheels_as_they_are: None
) -> None:
    """What pip has started ends with it, and nothing of the folder stays."""
    pid = tmp_path / "pid"
    stand_in_for_pip(tmp_path, monkeypatch, f"echo $$ > {pid}; exec sleep 600")
    script(programs, "apt-get", f"while ! test -s {pid}; do :; done; echo 'E: no route'; exit 100")
    within = tmp_path / "arm"
    with pytest.raises(CompressionError, match=r"apt-get -q update failed \(100\): E: no route"):
        making.make(VERSIONS, within, lambda line: None)
    _wait(lambda: not _runs(int(pid.read_text())))
    assert [each.name for each in within.iterdir()] == [".lock"]


def test_ctrl_c_is_one_line_at_once(programs: Path, tmp_path: Path) -> None:
    """The programs that it has started end with it, and nothing of the folder stays."""
    within, marks = tmp_path / "arm", (tmp_path / "pip", tmp_path / "apt")
    script(tmp_path, "python", f"echo $$ > {marks[0]}; exec sleep 600")
    script(programs, "apt-get", f"echo $$ > {marks[1]}; exec sleep 600")
    code = (
        "import sys; from types import SimpleNamespace; from pytest_edgegate.__main__ import main;"
        "from pytest_edgegate.emulation import lacking, making; "
        "lacking.check_system = lambda versions: None; "
        "import pytest_edgegate.tidy.programs as programs; "
        "programs.sys = SimpleNamespace(executable=sys.executable); "
        f"sys.executable = {str(tmp_path / 'python')!r}; "
        f"sys.exit(main(['sysroot', '--folder={within}']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _wait(lambda: all(each.is_file() and each.read_text().strip() for each in marks))
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate()
    assert (process.returncode, told) == (130, "interrupted: no folder was made\n")
    for each in marks:
        _wait(lambda each=each: not _runs(int(each.read_text())))
    assert [each.name for each in within.iterdir()] == [".lock"]


def test_a_reader_that_has_seen_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``| head``: the folder is made, and nothing is said of a pipe."""
    code = (
        "import sys; from pathlib import Path; from pytest_edgegate.__main__ import main; "
        "from pytest_edgegate.emulation import lacking, making; "
        "from pytest_edgegate.emulation.sysroot import Sysroot; "
        "lacking.check_system = lambda versions: None\n"
        "def all(self):\n"
        "    self._told('a line'); (self._folder / 'it').touch()\n"
        "    return Sysroot(self._folder, '3', 'q', {}, {}, {})\n"
        f"making._Making.all = all; sys.exit(main(['sysroot', '--folder={tmp_path / 'arm'}']))"
    )
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (folder_of(wanted(), tmp_path / "arm") / "it").exists()


def test_command_finds_a_whole_folder(
    sysroot: Sysroot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not made again, and another place is told with the line for it."""
    copy = beside(sysroot, tmp_path)
    assert main(["sysroot", f"--folder={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"the emulated ARM Python is there: {copy}",
        f"for pytest to find it: export EDGEGATE_SYSROOT={tmp_path}",
    ]


def test_place_is_quoted_for_a_shell(
    sysroot: Sysroot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    within = tmp_path / "it's here"
    beside(sysroot, within)
    assert main(["sysroot", f"--folder={within}"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    said = subprocess.check_output(
        ["sh", "-c", line.partition(": ")[2] + '; printf %s "$EDGEGATE_SYSROOT"'], text=True
    )
    assert said == str(within)


def test_folder_itself_is_taken_for_its_place(
    sysroot: Sysroot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = beside(sysroot, tmp_path)
    assert main(["sysroot", f"--folder={copy}"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"the emulated ARM Python is there: {copy}"


@pytest.mark.parametrize(
    "missing",
    [
        "host",
        "site",
        "sysroot.json",
        "site/onnxruntime",
        "site/ai_edge_litert",
        "site/numpy/_core/overrides.py",
    ],
)
def test_command_makes_a_half_made_one_again(
    missing: str,
    sysroot: Sysroot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = beside(sysroot, tmp_path)
    removed_in(copy, missing)
    assert not (copy / missing).exists()
    monkeypatch.setattr(lacking, "check_system", lambda versions: None)

    def whole(self: making._Making) -> Sysroot:
        folder: Path = self._folder
        for each in sysroot.folder.iterdir():
            (folder / each.name).symlink_to(each)
        return Sysroot.read(folder)

    monkeypatch.setattr(making._Making, "all", whole)
    assert main(["sysroot", f"--folder={tmp_path}"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"made anew: {copy} is not whole: ")
    assert f": {folder_of(wanted(), tmp_path)}" in told
    assert (copy / missing).exists()
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".making-")] == []


def test_command_finds_a_file_that_is_cut(
    sysroot: Sysroot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = beside(sysroot, tmp_path)
    name = "site/numpy/_core/overrides.py"
    removed_in(copy, name)
    (copy / name).write_text("import")
    fault = fault_of(copy, wanted(), PROCESSORS)
    assert fault == f"{copy / name} has another size"


def test_command_on_another_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pytest_edgegate.systems.name.NAME", "macos")
    assert main(["sysroot", f"--folder={tmp_path / 'arm'}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("edgegate error: qemu-aarch64 emulates Linux programs on Linux only")
    assert not (tmp_path / "arm").exists()
