"""A worker that shares nothing but pipes: it has a folder of its own, and sees no file of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest

import pytest_edgegate
from pytest_edgegate.core.description import ExecutedOperator
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Timed, TimingJob
from pytest_edgegate.workers import sent_files
from pytest_edgegate.workers.device import RemoteStopwatch
from pytest_edgegate.workers.process import Worker, Workers
from pytest_edgegate.workers.remote import RemoteRunner, executed_remotely
from pytest_edgegate.workers.wire import PACKED

LITERT = Path(pytest_edgegate.__file__).parents[1] / "example_project/models/digits_uint8.tflite"
ENTRY = "pytest_edgegate.backends.litert.runtime:XNNPACK"
MAIN = "from pytest_edgegate.workers.serve import main; main()"
READS_FOLDER = '''
import os
from pathlib import Path
import numpy as np
from pytest_edgegate.core.description import ExecutedOperator, TensorInfo


class Runtime:
    """A model is a file that is twice as long as the one beside it."""
    options = {}

    def open(self, path):
        self.told = f"{path.name} {path.read_text()} {(path.parent / 'w.bin').read_text()}"
        return self

    inputs = outputs = (TensorInfo("x", (-1, 2), "float32"),)

    def __enter__(self):
        return self

    def __exit__(self, *gone):
        pass

    def infer(self, batch):
        return tuple(array * len(self.told) for array in batch)

    def executed(self, path, batch):
        self.open(path)
        return (ExecutedOperator("FAKE", self.told, "CPU"),)


RUNTIME = Runtime()
'''


class Elsewhere:
    """``Process`` of a Python that was started as a board would start one."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", MAIN],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(folder)},
        )
        self.reader = cast(BinaryIO, self.process.stdout)
        self.writer = cast(BinaryIO, self.process.stdin)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()

    def ending(self) -> str:
        return f"board status {self.process.wait()}"

    def last_words(self) -> str:
        return ""

    def close(self) -> None:
        """As a board is left: it ends by itself when nobody is at the other end."""
        with suppress(BrokenPipeError):  # it has ended before
            self.writer.close()
        self.process.wait(60)
        self.reader.close()


class Board:
    """``Launcher`` of it."""

    shares_files = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Elsewhere] = []

    def start(self) -> Elsewhere:
        self.started.append(Elsewhere(self.folder))
        return self.started[-1]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    folder = tmp_path / "board"
    folder.mkdir()
    return Board(folder)


@pytest.fixture
def workers(board: Board) -> Iterator[Workers]:
    made = Workers(60, board)
    yield made
    made.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "given" / "digits.tflite"
    path.parent.mkdir()
    shutil.copy(LITERT, path)
    return path


def test_a_runner_without_a_common_disk(workers: Workers, board: Board, model: Path) -> None:
    from pytest_edgegate.backends.litert.runtime import XNNPACK

    x = np.random.default_rng(0).random((200, 28, 28, 1), np.float32)
    with XNNPACK.open(model) as here:
        expected = here.infer((x,))[0]
    with RemoteRunner(workers, ENTRY, model, "digits in litert") as runner:
        model.unlink()
        np.testing.assert_array_equal(runner.infer((x,))[0], expected)
    assert list(board.folder.rglob("digits.tflite")), "it was sent"
    workers.close()
    assert not list(board.folder.rglob("digits.tflite")), "it goes with the worker"


def test_a_stopwatch_without_a_common_disk(workers: Workers, model: Path) -> None:
    sample = (np.zeros((1, 28, 28, 1), np.float32),)
    other = model.with_name("other.tflite")
    shutil.copy(model, other)
    job = TimingJob("exec", "litert", None, ENTRY, Timed(model, sample), Timed(other, sample))  # type: ignore[arg-type]
    with RemoteStopwatch(workers.fresh(), job, ENTRY) as watch:
        shutil.rmtree(model.parent)
        made = watch.round(0.01)
    assert len(made.artifact) == len(made.reference) >= 2
    assert min(made.artifact) > 0


def test_files_that_belong_together_lie_together(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_folders.py").write_text(READS_FOLDER)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "m.xml").write_text("net")
    (tmp_path / "w.bin").write_text("weights")
    x = (np.ones((1, 2), np.float32),)
    main, beside = tmp_path / "m.xml", (tmp_path / "w.bin",)
    with RemoteRunner(workers, "of_folders:RUNTIME", main, "m", beside) as runner:
        assert runner.infer(x)[0][0, 0] == len("m.xml net weights")
    found = executed_remotely(workers, "of_folders:RUNTIME", main, "m", x, beside)
    assert found == (ExecutedOperator("FAKE", "m.xml net weights", "CPU"),)


def test_large_files_go_in_blocks_and_once(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_files, "_BLOCK", 1000)
    path = tmp_path / "large.bin"
    path.write_bytes(np.random.default_rng(0).bytes(3000))  # whole blocks
    worker = Worker(60, board)
    placed = Path(worker.placed("large", path))
    assert placed.read_bytes() == path.read_bytes()
    assert placed.is_relative_to(board.folder)
    asked: list[str] = []
    call = worker.call

    def noted(command: str, *given: object, **fields: object) -> object:
        asked.append(command)
        return call(command, *given, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "call", noted)
    assert worker.placed("large", path) == str(placed)
    assert asked == ["has", "place"]
    worker.close()


def test_a_file_that_changes_while_it_is_sent_is_told(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(b"before")
    monkeypatch.setattr(sent_files, "file_digest", lambda path: "0" * 64)
    worker = Worker(60, board)
    with pytest.raises(InferenceError, match="changed while it was sent"):
        worker.placed("m", path)
    worker.close()


@pytest.mark.parametrize("name", ["../m", "/m", "a/../../m", "", "..\\m"])
def test_no_file_is_put_outside_of_its_folder(board: Board, name: str) -> None:
    worker = Worker(60, board)
    with pytest.raises(InferenceError, match="is not the name of a file"):
        worker.call("place", "m", files={name: "0" * 64}, main="m")
    worker.close()


@pytest.mark.parametrize("digest", ["../../m", "0" * 63, 5, None])
def test_a_digest_is_one(board: Board, digest: object) -> None:
    worker = Worker(60, board)
    with pytest.raises(InferenceError, match="invalid digest"):
        worker.call("has", "m", sha256=digest)
    worker.close()


def test_how_it_ended_is_what_its_launcher_says(board: Board) -> None:
    worker = Worker(60, board)
    board.started[0].kill()
    with pytest.raises(InferenceError, match=r"m ended the process that ran it \(board status -9"):
        worker.call("close", "m")
    assert not worker.alive
    worker.close()


def test_an_answer_that_was_not_expected_is_an_error_of_ours(board: Board) -> None:
    worker = Worker(60, board)
    with pytest.raises(InferenceError, match=r"gave an answer that can't be read \(WireError: 0"):
        worker.call("close", "m", (), 0.0, PACKED)
    assert not worker.alive
    worker.close()
