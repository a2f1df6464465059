"""Conversions and references of files, in the framework process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import (
    CompressionError,
    ConfigurationError,
    EdgeGateWarning,
    InferenceError,
    StorageError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import GraphBatch, SourceModel
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.frameworks import lent_data
from pytest_edgegate.session.frameworks import process as framework
from pytest_edgegate.session.frameworks.process import FrameworkProcess
from pytest_edgegate.session.given import Given, Later
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.testing.fakes import (
    FakeRuntime,
    FakeTransform,
    fake_data,
    fake_model,
    fake_samples,
)
from pytest_edgegate.workers.launcher import Launcher
from pytest_edgegate.workers.process import Worker

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]

STUB = """
import errno
import hashlib
import os
import signal
import time
import warnings
from dataclasses import replace

from pytest_edgegate.core.by_value import as_plain
from pytest_edgegate.core.errors import EdgeGateWarning, UnsupportedError
from pytest_edgegate.testing.fake_training import FakeTraining
from pytest_edgegate.testing.fakes import FakeReader, FakeRuntime, FakeTransform, read_fake


class OwnError(UnsupportedError):
    pass


def misbehave(content, at):
    what = content.get(at)
    if what == "abort":
        os.abort()
    if what == "leave":
        os._exit(3)
    if what == "hang":
        signal.pause()
    if what == "raise":
        raise ValueError("from the depths\\nof a tool")
    if what == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    if what == "refuse":
        raise UnsupportedError("no such layer", "write another")
    if what == "own":
        raise OwnError("no such layer", "write another")
    if what == "warn":
        warnings.warn("a look, please", EdgeGateWarning)


class Reader(FakeReader):
    def recognise(self, candidate, around):
        found = super().recognise(candidate, around)
        if found is not None and found.content.get("example"):
            around.example()
        return found


class Transform(FakeTransform):
    def apply(self, model, step, target, data, out):
        content = read_fake(model.path)
        misbehave(content, "convert")
        samples = []
        if step is not None:
            from pytest_edgegate.testing.fakes import describe
            given = data.calibration(step.samples, describe(content).inputs)
            next(iter(given))
            samples = [x.tobytes() for (x,) in given]
        made = super().apply(model, step, target, data, out)
        seen = hashlib.sha256(b"".join(samples)).hexdigest()
        facts = {"pid": os.getpid(), "samples": [len(samples), seen], "spelt": str(step),
                 "step": step and step.in_full, "target": str(as_plain(target))}
        return replace(made, notes=tuple(content.get("notes", ())), facts=facts)


class Training(FakeTraining):
    def apply(self, model, step, target, data, out):
        misbehave(read_fake(model.path), "train")
        made = super().apply(model, step, target, data, out)
        return replace(made, facts={**made.facts, "pid": os.getpid()})

    def check(self, model, step, target, data):
        misbehave(read_fake(model.path), "check")


class Runtime(FakeRuntime):
    opens_files = False

    def open(self, model):
        if not hasattr(model, "load"):  # the artifact, which is opened by the session
            return super().open(model)
        misbehave(read_fake(model.path), "open")
        return Runner(super().open(model), read_fake(model.path))


class Runner:
    def __init__(self, runner, content):
        self.runner, self.content = runner, content
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def __enter__(self):
        return self

    def __exit__(self, *gone):
        misbehave(self.content, "close")

    def infer(self, batch):
        misbehave(self.content, "infer")
        return self.runner.infer(batch)


READER, TRANSFORM, TRAINING, RUNTIME = Reader(), Transform(), Training(), Runtime("")
"""
INSTALLED = {
    ("model reader", "fake"): "framework_stub:READER",
    ("transform", "fake"): "framework_stub:TRANSFORM",
    ("transform", "fake-training"): "framework_stub:TRAINING",
    ("runtime", "fake"): "framework_stub:RUNTIME",
}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The fakes as an installed package would bring them, so that another process finds them."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "framework_stub.py").write_text(STUB)
    monkeypatch.syspath_prepend(str(folder))
    import importlib
    import sys

    monkeypatch.delitem(sys.modules, "framework_stub", raising=False)
    return importlib.import_module("framework_stub")


@pytest.fixture
def installed(stub: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[EdgeSession], None]:
    def install(session: EdgeSession) -> None:
        monkeypatch.setattr(Registry, "entry", lambda self, kind, name: INSTALLED.get((kind, name)))
        for (kind, name), entry in INSTALLED.items():
            session.registry.add(kind, name, getattr(stub, entry.split(":")[1]))

    return install


@pytest.fixture
def session(start: Starter, installed: Callable[[EdgeSession], None]) -> Iterator[EdgeSession]:
    made = start()
    installed(made)
    yield made
    made.close()


def built(session: EdgeSession, subject: Given, recipe: Recipe | None = None) -> Artifact:
    return session.compress(session.case(subject, session.target("fake-board")), recipe)


def facts(artifact: Artifact, step: str = "PTQ(samples=200)") -> Any:
    return artifact.provenance["facts"][step]


def test_legs_are_made_in_one_other_process(session: EdgeSession, subject: Maker) -> None:
    with pytest.warns(EdgeGateWarning, match="a note"):
        artifact = built(session, subject(notes=["a note"]), (Prune(0.5, epochs=1), PTQ()))
    pids = {facts(artifact)["pid"], facts(artifact, "Prune(amount=0.5, epochs=1)")["pid"]}
    assert len(pids) == 1
    assert pids != {os.getpid()}
    assert "a note" in artifact.provenance["notes"]
    session.close()
    (pid,) = pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("size", [1, 3 * 8, 1 << 20])
def test_what_is_made_is_what_is_made_here(
    session: EdgeSession,
    start: Starter,
    subject: Maker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stub: Any,
    size: int,
) -> None:
    """Samples in blocks of any size, step, target: all arrives as it was."""
    monkeypatch.setattr(lent_data, "_BLOCK_BYTES", size)
    recipe = (Prune(0.25, epochs=2), PTQ(7, method="minmax"))
    there = built(session, subject(), recipe)
    with monkeypatch.context() as patched:
        patched.setattr(FrameworkProcess, "source", lambda *given: None)
        alone = start(cache=tmp_path / "other")
        alone.registry.add("transform", "fake", stub.TRANSFORM)
        here = built(alone, subject(), recipe)
    assert here.main.read_bytes() == there.main.read_bytes()
    step = "PTQ(samples=7, method='minmax')"
    assert facts(here, step)["pid"] == os.getpid() != facts(there, step)["pid"]
    for each in ("samples", "step", "spelt", "target"):
        assert facts(here, step)[each] == facts(there, step)[each]


def test_a_teacher_is_asked_while_its_student_learns(
    session: EdgeSession, start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in the one process: its question for a batch waits for its own answer."""
    student = fake_model(tmp_path / "student.fake", bytes=2000)
    given = Given(fake_model(tmp_path / "m.fake"), fake_data(), student=Later(lambda: student))
    recipe = (Distill(epochs=2, alpha=0.5), PTQ())
    there = built(session, given, recipe)
    assert facts(there, "Distill(alpha=0.5, epochs=2)")["pid"] != os.getpid()
    with monkeypatch.context() as patched:
        patched.setattr(FrameworkProcess, "source", lambda *given: None)
        here = built(start(cache=tmp_path / "other"), given, recipe)
    assert here.main.read_bytes() == there.main.read_bytes()


@pytest.mark.parametrize(("how", "told"), [("abort", "SIGABRT"), ("leave", "exit status 3")])
def test_a_crash_is_the_error_of_one_leg(
    session: EdgeSession, tmp_path: Path, how: str, told: str
) -> None:
    bad = Given(fake_model(tmp_path / "bad.fake", convert=how), fake_data())
    with pytest.raises(CompressionError) as raised:
        built(session, bad)
    assert raised.value.message == (
        f"PTQ(samples=200) on bad ended the process that ran it ({told})"
    )
    assert "another version" in raised.value.remedy
    good = Given(fake_model(tmp_path / "good.fake"), fake_data())
    assert facts(built(session, good))["pid"] != os.getpid()


@pytest.fixture
def shorten(session: EdgeSession, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Shortens the limits of the process that runs, for calls that hang whatever the limit."""

    def shorten() -> None:
        monkeypatch.setattr(session._frameworks._worker, "_timeout", 0.5)
        monkeypatch.setattr(framework, "_LOADING", 1.0)

    return shorten


def test_a_hang_is_the_error_of_one_leg(
    session: EdgeSession, subject: Maker, tmp_path: Path, shorten: Callable[[], None]
) -> None:
    built(session, subject())  # the process has started
    shorten()
    bad = Given(fake_model(tmp_path / "bad.fake", convert="hang"), fake_data())
    with pytest.raises(CompressionError, match=r"did not answer within 1.5 s") as raised:
        built(session, bad)
    assert "edge_runtime_timeout" in raised.value.remedy


def test_what_a_tool_raises_is_an_error_of_ours(session: EdgeSession, tmp_path: Path) -> None:
    bad = Given(fake_model(tmp_path / "bad.fake", convert="raise"), fake_data())
    with pytest.raises(CompressionError) as raised:
        built(session, bad)
    assert raised.value.message == ("PTQ(samples=200) on bad failed: ValueError: from the depths")
    assert "in misbehave" in str(raised.value.__cause__), "--tb=long shows where"


def test_a_refusal_arrives_as_it_is(session: EdgeSession, tmp_path: Path) -> None:
    bad = Given(fake_model(tmp_path / "bad.fake", convert="refuse"), fake_data())
    with pytest.raises(UnsupportedError) as raised:
        built(session, bad)
    assert (raised.value.message, raised.value.remedy) == ("no such layer", "write another")


def test_a_refusal_of_a_class_of_another_package_keeps_its_words(
    session: EdgeSession, tmp_path: Path
) -> None:
    """It arrives as the refusal that its class says it is."""
    bad = Given(fake_model(tmp_path / "bad.fake", convert="own"), fake_data())
    with pytest.raises(UnsupportedError) as raised:
        built(session, bad)
    assert (raised.value.message, raised.value.remedy) == ("no such layer", "write another")


def test_a_full_disk_is_told_as_one(session: EdgeSession, tmp_path: Path) -> None:
    bad = Given(fake_model(tmp_path / "bad.fake", convert="disk"), fake_data())
    with pytest.raises(StorageError, match="No space left on device"):
        built(session, bad)


def test_a_warning_of_ours_is_one(session: EdgeSession, tmp_path: Path) -> None:
    given = Given(fake_model(tmp_path / "m.fake", convert="warn"), fake_data())
    with pytest.warns(EdgeGateWarning, match="a look, please"):
        built(session, given)


def test_what_a_training_would_refuse_is_told_before(session: EdgeSession, tmp_path: Path) -> None:
    from pytest_edgegate import QAT

    bad = fake_model(tmp_path / "m.fake", check="refuse", train="abort")
    with pytest.raises(UnsupportedError, match="no such layer"):
        built(session, Given(bad, fake_data()), (Prune(0.5), QAT()))


class OwnError(Exception):
    """Of the user's own data."""


def test_what_the_users_data_raises_comes_out_as_it_was(
    session: EdgeSession, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OwnError("a lost file")

    def fails(self: Any, asked: Any) -> Any:
        raise error

    monkeypatch.setattr(lent_data.LentData, "_block", fails)
    with pytest.raises(CompressionError) as raised:  # around what a tool may have raised
        built(session, subject())
    assert raised.value.__cause__ is error


def test_samples_that_do_not_fit_are_told_as_ever(session: EdgeSession, subject: Maker) -> None:
    data = EdgeData(calibration=np.zeros((20, 3), np.float32), evaluation=fake_samples(200))
    with pytest.raises(ConfigurationError, match=r"edge_data.calibration: samples of shape \(3,\)"):
        built(session, subject(data))


def test_an_interrupt_ends_the_process_and_the_next_leg_has_another(
    session: EdgeSession, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = facts(built(session, subject()))["pid"]

    def interrupted(self: Any, asked: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lent_data.LentData, "_block", interrupted)
        with pytest.raises(KeyboardInterrupt):
            built(session, subject(), (PTQ(9),))
    assert facts(built(session, subject(), (PTQ(9),)), "PTQ(samples=9)")["pid"] != pid


def test_a_process_without_a_server_says_why_every_time(
    session: EdgeSession, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Worker] = []

    class Noted(Worker):
        def __init__(self, timeout: float, launcher: Launcher) -> None:
            super().__init__(timeout, launcher)
            started.append(self)

    monkeypatch.setattr(framework, "Worker", Noted)
    with monkeypatch.context() as patched:
        patched.setattr(framework, "_SERVER", "framework_stub:no_server")
        for _ in range(2):
            with pytest.raises(InferenceError, match="has no attribute 'no_server'"):
                built(session, subject())
    assert [each.alive for each in started] == [False, False]
    assert built(session, subject()).main.exists()


class LiveGraph:
    """A live model with a graph that can be written."""

    path = None
    name = "net"
    graph_reader = "framework_stub:READER"

    def digest(self) -> str:
        return "0" * 64

    def write_graph(self, folder: Path, batch: GraphBatch) -> None:
        (folder / "graph").write_text(batch.value)


class GraphTransform(FakeTransform):
    def __init__(self, takes_graphs: GraphBatch | None) -> None:
        self.takes_graphs = takes_graphs


def test_a_graph_is_written_for_a_transform_that_takes_it() -> None:
    frameworks, model = FrameworkProcess(60), cast("SourceModel", LiveGraph())
    for batch in (GraphBatch.ONE, GraphBatch.FREE, GraphBatch.ONE):
        source = frameworks.source(model, GraphTransform(batch), None)
        assert source is not None
        assert (source.path / "graph").read_text() == batch.value
    assert frameworks.source(model, GraphTransform(None), None) is None
    assert frameworks.source(model, FakeTransform(), None) is None


def test_a_graph_is_not_trained() -> None:
    frameworks, model = FrameworkProcess(60), cast("SourceModel", LiveGraph())
    assert frameworks.source(model, GraphTransform(GraphBatch.FREE), QAT(epochs=1)) is None
    assert frameworks.source(model, GraphTransform(GraphBatch.FREE), PTQ()) is not None


def test_a_reader_may_ask_for_a_sample(session: EdgeSession, subject: Maker) -> None:
    assert facts(built(session, subject(example=True)))["pid"] != os.getpid()


def accuracy(session: EdgeSession, subject: Given) -> float:
    target = session.target("fake-board")
    case = session.case(subject, target)
    artifact = session.compress(case, None)
    (verdict,) = session.judge(case, artifact, (Budget("accuracy_drop", 0.5),))
    assert verdict.measured is not None
    return float(verdict.measured.value)


def test_a_reference_is_run_there(session: EdgeSession, subject: Maker) -> None:
    given = subject(wrong=list(range(20)), ptq_wrong=list(range(30)))
    assert accuracy(session, given) == pytest.approx(0.05)


@pytest.mark.parametrize("when", ["open", "infer"])
@pytest.mark.parametrize(
    ("what", "told"), [("abort", "SIGABRT"), ("raise", "ValueError: from the depths")]
)
def test_a_reference_that_fails_is_an_error_of_ours(
    session: EdgeSession, subject: Maker, when: str, what: str, told: str
) -> None:
    with pytest.raises(InferenceError) as raised:
        accuracy(session, subject(**{when: what}))
    assert told in raised.value.message
    assert "m.fake" in raised.value.message
    assert accuracy(session, subject()) == 0, "the session goes on"


def opened(session: EdgeSession, given: Given) -> Any:
    """The reference, open in the process."""
    model = session.case(given, session.target("fake-host")).subject.model
    return session.observer.opener.open(Specimen.of_model(model))


def test_a_reference_that_hangs_while_it_loads_has_the_long_limit(
    session: EdgeSession, subject: Maker, shorten: Callable[[], None]
) -> None:
    built(session, subject())  # the process has started
    shorten()
    with pytest.raises(InferenceError, match=r"m.fake in fake did not answer within 1.5 s"):
        opened(session, subject(open="hang"))


@pytest.mark.parametrize("when", ["infer", "close"])
def test_a_loaded_reference_that_hangs_has_the_limit_of_a_call(
    session: EdgeSession, subject: Maker, shorten: Callable[[], None], when: str
) -> None:
    given = subject(**{when: "hang"})
    one, other = opened(session, given), opened(session, given)
    shorten()
    if when == "close":
        one.__exit__(None, None, None)  # is kept for the next pass; the other takes its place
    call = partial(other.infer, (np.zeros((1, 2), np.float32),))
    with pytest.raises(InferenceError, match=r"m.fake in fake did not answer within 500 ms"):
        (call if when == "infer" else partial(other.__exit__, None, None, None))()
    assert not session._frameworks.alive
    assert accuracy(session, subject()) == 0, "the session goes on"


def test_a_runner_of_a_process_that_has_ended_says_so(
    session: EdgeSession, subject: Maker, tmp_path: Path
) -> None:
    given = subject()
    with opened(session, given) as runner:
        with pytest.raises(CompressionError):
            built(session, Given(fake_model(tmp_path / "b.fake", convert="abort"), fake_data()))
        built(session, given)  # in another process
        with pytest.raises(InferenceError, match="has ended meanwhile"):
            runner.infer((np.zeros((1, 2), np.float32),))


@pytest.mark.parametrize(
    "training",
    [
        EdgeTraining(loss=lambda labels, outputs: 0, version="1"),
        EdgeTraining(optimizer=lambda lr: None, version="1"),
    ],
)
def test_functions_stay_where_they_are(
    session: EdgeSession, tmp_path: Path, training: EdgeTraining
) -> None:
    given = Given(fake_model(tmp_path / "m.fake"), fake_data(), training=training)
    artifact = built(session, given, (Prune(0.5, epochs=1), PTQ()))
    assert facts(artifact, "Prune(amount=0.5, epochs=1)")["pid"] == os.getpid()
    assert facts(artifact)["pid"] != os.getpid(), "PTQ has no use for them"


def test_augmented_batches_are_made_here(
    session: EdgeSession, start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = set()

    def augment(x: Any, random: Any) -> Any:
        pids.add(os.getpid())
        return x

    given = Given(
        fake_model(tmp_path / "m.fake"),
        fake_data(),
        training=EdgeTraining(augment=augment, version="1"),
    )
    artifact = built(session, given, (Prune(0.5, epochs=1), PTQ()))
    assert pids == {os.getpid()}
    assert facts(artifact, "Prune(amount=0.5, epochs=1)")["pid"] != os.getpid()


def test_a_file_whose_code_is_trusted_stays_here(
    start: Starter, installed: Callable[[EdgeSession], None], subject: Maker
) -> None:
    """What a conftest.py has registered with a framework is in this process alone."""
    session = start(allow_code=True)
    installed(session)
    assert facts(built(session, subject()))["pid"] == os.getpid()


def test_what_a_conftest_has_registered_stays_here(
    session: EdgeSession, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(INSTALLED, ("transform", "fake"), None)  # type: ignore[misc]
    assert facts(built(session, subject()))["pid"] == os.getpid()
    assert FakeRuntime("").opens_files
