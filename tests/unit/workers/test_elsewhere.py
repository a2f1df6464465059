"""A worker that shares nothing but pipes: it has a folder of its own, and sees no file of ours."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

import numpy as np
import pytest

import pytest_edgegate
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Inspector, SourceModel, Timed, TimingJob
from pytest_edgegate.core.progress import silent
from pytest_edgegate.core.target import LatencySource
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.frameworks.process import FrameworkProcess
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.timing import Timing
from pytest_edgegate.session.subject import Subject
from pytest_edgegate.storage.cache import Cache
from pytest_edgegate.testing.fakes import FAKE_BOARD
from pytest_edgegate.workers import sent_files
from pytest_edgegate.workers.device import RemoteStopwatch
from pytest_edgegate.workers.process import Worker, Workers
from pytest_edgegate.workers.remote import RemoteRunner, executed_remotely
from pytest_edgegate.workers.wire import PACKED

LITERT = Path(pytest_edgegate.__file__).parents[1] / "example_project/models/digits_uint8.tflite"
ENTRY = "pytest_edgegate.backends.litert.runtime:XNNPACK"
FOLDERS = "of_folders:RUNTIME"
TOLD = "m.xml net weights"
X = (np.ones((1, 2), np.float32),)
MAIN = "from pytest_edgegate.workers.serve import main; main()"
READS_FOLDER = '''
import os
from pathlib import Path
import numpy as np
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo


class Runtime:
    """A model is a file that is twice as long as the one beside it."""
    options = {}
    packages = ()
    opens_files = True

    def open(self, path):
        path = getattr(path, "path", path)
        self.told = f"{path.name} {path.read_text()} {(path.parent / 'w.bin').read_text()}"
        return self

    inputs = outputs = (TensorInfo("x", (-1, 2), "float32"),)

    def __enter__(self):
        return self

    def __exit__(self, *gone):
        pass

    def infer(self, batch):
        return tuple(array * len(self.told) for array in batch)

    infer_raw = infer

    def once(self, sample):
        return lambda: self.infer(sample)

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
    slower = 1.0

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
        assert watch.source == "device:exec", "no time of another machine is this host's"
        shutil.rmtree(model.parent)
        made = watch.round(0.01)
    assert len(made.artifact) == len(made.reference) >= 2
    assert min(made.artifact) > 0


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The runtime as an installed package would bring it."""
    (tmp_path / "of_folders.py").write_text(READS_FOLDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "of_folders", raising=False)
    found = Registry()
    found.add("runtime", "folders", importlib.import_module("of_folders").RUNTIME)
    monkeypatch.setattr(Registry, "entry", lambda self, kind, name: FOLDERS)
    return found


def artifact_of(folder: Path, **changes: object) -> Artifact:
    """Two files that belong together."""
    folder.mkdir()
    main, beside = folder / "m.xml", folder / "w.bin"
    main.write_text("net")
    beside.write_text("weights")
    digest = file_digest(main)
    made = Artifact(main, "folders", None, (main, beside), 10, digest, (), "a-board", False)
    return replace(made, **changes)  # type: ignore[arg-type]


def specimen_of(artifact: Artifact) -> Specimen:
    subject, empty = SimpleNamespace(has_evaluation=False), ModelDescription((), (), (), 0, 0)
    return Specimen.of_artifact(artifact, "folders", cast("Subject", subject), lambda: empty)


@pytest.fixture
def third_party(tmp_path: Path, registry: Registry) -> Artifact:
    return artifact_of(tmp_path / "given")


@pytest.fixture
def export(tmp_path: Path, registry: Registry) -> Artifact:
    return artifact_of(tmp_path / "export", provenance={"steps": []})


@pytest.fixture
def opener(registry: Registry, workers: Workers, tmp_path: Path) -> Opener:
    return Opener(registry, Cache(tmp_path / "cache"), workers, lambda: FrameworkProcess(60))


def test_files_that_belong_together_lie_together(workers: Workers, third_party: Artifact) -> None:
    main, beside = third_party.files[0], third_party.files[1:]
    with RemoteRunner(workers, FOLDERS, main, "m", beside) as runner:
        assert runner.infer(X)[0][0, 0] == len(TOLD)
    found = executed_remotely(workers, FOLDERS, main, "m", X, beside)
    assert found == (ExecutedOperator("FAKE", TOLD, "CPU"),)


def is_opened_there(opener: Opener, board: Board, specimen: Specimen) -> None:
    with opener.open(specimen) as runner:
        assert runner.infer(X)[0][0, 0] == len(TOLD)
    assert list(board.folder.rglob("w.bin")), "it was sent with its main file"


def test_a_third_party_artifact_is_opened_with_all_its_files(
    opener: Opener, board: Board, third_party: Artifact
) -> None:
    specimen = specimen_of(third_party)
    found = opener.executed(specimen, X)
    assert found == (ExecutedOperator("FAKE", TOLD, "CPU"),)
    is_opened_there(opener, board, specimen)


def test_an_export_is_tried_with_all_its_files(
    opener: Opener, board: Board, third_party: Artifact, export: Artifact
) -> None:
    is_opened_there(opener, board, specimen_of(third_party).of_export(export))


def test_a_model_under_test_is_opened_with_all_its_files(
    opener: Opener, board: Board, third_party: Artifact
) -> None:
    model = SimpleNamespace(
        name="m",
        path=third_party.path,
        files=third_party.files,
        runtime="folders",
        digest=lambda: third_party.digest,
    )
    is_opened_there(opener, board, Specimen.of_model(cast("SourceModel", model)))


class TimingBoard:
    """``Device`` of the board."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def open(self, job: TimingJob) -> RemoteStopwatch:
        assert job.entry is not None
        return RemoteStopwatch(Worker(60, self.board), job, job.entry)


def test_a_device_gets_all_files_of_what_it_times(
    registry: Registry, board: Board, third_party: Artifact, export: Artifact
) -> None:
    described = SimpleNamespace(inputs=(TensorInfo("x", (1, 2), "float32"),))
    inspector = SimpleNamespace(describe=lambda path: described)
    target = replace(FAKE_BOARD, latency_source=LatencySource("a-board://1"))
    registry.add("device", "a-board", TimingBoard(board))
    timing = Timing(registry, target, cast("Inspector", inspector), 60, 1, silent)
    specimen = specimen_of(third_party)
    with timing.open(specimen, specimen.of_export(export)) as watch:
        assert watch.source == "device:a-board://1"
        made = watch.round(0.01)
    assert len(made.artifact) == len(made.reference) >= 2


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


def test_a_file_outside_of_the_folder_of_its_model_is_refused(
    workers: Workers, third_party: Artifact, tmp_path: Path
) -> None:
    beside = tmp_path / "w.bin"
    beside.touch()
    with pytest.raises(InferenceError, match=r"w.bin is not in the folder of m.xml") as raised:
        RemoteRunner(workers, FOLDERS, third_party.path, "m", (third_party.path, beside))
    assert "into one folder" in raised.value.remedy


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
