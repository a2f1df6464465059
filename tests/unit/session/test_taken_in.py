"""A file that changes under the gate: what is measured is what was digested, or it is an error."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.intake.taken_in import ready
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.testing import fakes
from pytest_edgegate.testing.fakes import fake_data, fake_model
from pytest_edgegate.tidy.scratch import SCRATCH

Starter = Callable[..., EdgeSession]
Judge = Callable[[EdgeSession, Path], dict[str, Verdict]]

FEW, MANY = list(range(4)), list(range(100))
MOMENTS = {
    "the file is recognised": (fakes.FakeReader, "recognise"),
    "it is digested": (fakes.FakeModel, "digest"),
    "it is described": (fakes.FakeInspector, "describe"),
    "it is converted": (fakes.FakeTransform, "apply"),
    "it is opened": (fakes.FakeRuntime, "open"),
    "it is run": (fakes.FakeRunner, "infer"),
}


def write(path: Path, wrong: list[int], dtype: str) -> Path:
    """Both contents have the same size; they differ in what they answer."""
    return fake_model(path, wrong=wrong, ptq_wrong=wrong, dtype=dtype)


class Swap:
    """Puts other bytes in the place of a file when a method is called, once."""

    def __init__(self, path: Path, other: Path | None, *, back: bool) -> None:
        self._path, self._other, self._back = path, other, back
        self._kept = path.with_name("kept")
        shutil.copy2(path, self._kept)
        self.done = False

    def around(self, call: Callable[..., Any], *given: Any) -> Any:
        if self.done:
            return call(*given)
        self.done = True
        self.put(self._other)
        try:
            return call(*given)
        finally:
            if self._back:
                self.put(self._kept)

    def put(self, source: Path | None) -> None:
        """In place, with the size and the time of the file before: as hard to see as it gets."""
        if source is None:
            self._path.unlink()
        else:
            self._path.write_bytes(source.read_bytes())
            kept = self._kept.stat()
            os.utime(self._path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.fixture
def swapped_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Swap], None]:
    """Has the swap done when something happens to the file."""

    def arrange(moment: str, swap: Swap) -> None:
        kind, name = MOMENTS[moment]
        before: Any = getattr(kind, name)

        def call(*given: Any) -> Any:
            return swap.around(before, *given)

        monkeypatch.setattr(kind, name, call)

    return arrange


def judge_file(session: EdgeSession, path: Path) -> dict[str, Verdict]:
    """A finished file, by hand."""
    board = session.target("fake-board")
    artifact = session.adopt(path, board)
    subject = Given(data=fake_data())
    return _judged(session, artifact, session.case(subject, board))


def judge_model(session: EdgeSession, path: Path) -> dict[str, Verdict]:
    """A model under test, what PTQ makes of it, and its drop from it."""
    subject = Given(path, fake_data())
    case = session.case(subject, session.target("fake-board"))
    return _judged(session, session.compress(case, (PTQ(),)), case)


def _judged(session: EdgeSession, artifact: Any, case: Case) -> dict[str, Verdict]:
    names = ["accuracy_min", *(["accuracy_drop"] if case.subject.has_model else [])]
    budgets = tuple(Budget(name, 0.1) for name in names)
    found = session.judge(case, artifact, budgets, contract=True)
    return {each.budget.metric: each for each in found}


def alike(one: dict[str, Verdict], other: dict[str, Verdict]) -> bool:
    """Whether both name the same bytes and tell the same figures of them."""
    return _told(one) == _told(other)


def _told(verdicts: dict[str, Verdict]) -> dict[str, object]:
    return {
        name: (each.measured and each.measured.value, each.artifact and each.artifact.digest)
        for name, each in verdicts.items()
    }


CASES = [
    *((judge_model, moment) for moment in MOMENTS),
    # a finished file is not converted, and of its copy alone is there a digest
    *(
        (judge_file, moment)
        for moment in MOMENTS
        if moment not in ("it is converted", "it is digested")
    ),
]


@pytest.mark.parametrize("change", ["swapped", "swapped and back", "gone"])
@pytest.mark.parametrize(("judge", "moment"), CASES)
def test_a_file_that_changes_under_the_gate_is_judged_by_its_digest_or_refused(
    start: Starter,
    tmp_path: Path,
    judge: Judge,
    moment: str,
    change: str,
    swapped_at: Callable[[str, Swap], None],
) -> None:
    dtype = "int8" if judge is judge_file else "float32"
    good = write(tmp_path / "good" / "m.fake", FEW, dtype)
    bad = write(tmp_path / "bad" / "m.fake", MANY, dtype)
    expected = {}
    for each in (good, bad):
        expected[each] = judge(start(cache=tmp_path / "apart"), each)
    path = tmp_path / "m.fake"
    shutil.copy2(good, path)
    swap = Swap(path, None if change == "gone" else bad, back=change == "swapped and back")
    swapped_at(moment, swap)
    try:
        seen = judge(start(), path)
    except EdgeGateError as error:
        assert "changed while it was being gated" in error.message  # noqa: PT017
        assert str(path) in error.remedy  # noqa: PT017
    else:
        assert any(alike(seen, each) for each in expected.values())
    assert swap.done
    for each in (good, bad, good):  # nothing of it is remembered under the other's digest
        shutil.copy2(each, path)
        assert alike(judge(start(), path), expected[each])


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()


def test_a_model_that_turns_into_one_of_another_kind(start: Starter, tmp_path: Path) -> None:
    path = write(tmp_path / "m.fake", FEW, "float32")
    model = start().recogniser.model(path)
    assert model.node[1] == "float32"  # what the plan is made from
    write(path, FEW, "int8")
    with pytest.raises(ConfigurationError, match=r"m\.fake changed while it was being gated"):
        ready(model)


def test_a_test_has_one_model_from_its_begin_to_its_end(start: Starter, tmp_path: Path) -> None:
    session, path = start(), write(tmp_path / "m.fake", FEW, "float32")
    given, board = Given(path, fake_data()), session.target("fake-board")
    one, other = session.case(given, board), session.case(given, board)
    before = one.subject.model.digest()
    write(path, MANY, "float32")
    assert one.subject.model.digest() == before
    assert other.subject.model.digest() != before


def test_a_warm_run_copies_nothing(start: Starter, tmp_path: Path) -> None:
    path = write(tmp_path / "m.fake", FEW, "float32")
    judge_model(start(), path)
    again = start()
    found = judge_model(again, path)["accuracy_drop"]
    assert found.measured is not None
    assert found.measured.cached
    model = again.recogniser.model(path)
    assert "copy" not in vars(model)


def test_reports_and_messages_keep_the_path_of_the_user(start: Starter, tmp_path: Path) -> None:
    path = write(tmp_path / "m.fake", FEW, "int8")
    session = start()
    artifact = session.adopt(path, session.target("fake-board"))
    assert artifact.path == path
    assert artifact.files == (path,)
    assert artifact.main != path
    assert artifact.main.name == path.name
    assert artifact.main.read_bytes() == path.read_bytes()
    assert artifact.size_bytes == path.stat().st_size


def test_a_copy_is_gone_with_the_last_that_holds_it(start: Starter, tmp_path: Path) -> None:
    session = start()
    path = write(tmp_path / "m.fake", FEW, "int8")
    artifact = session.adopt(path, session.target("fake-board"))
    content = artifact.main
    for other in range(6):  # a session knows its last few models
        session.recogniser.model(write(tmp_path / f"m{other}.fake", FEW, "int8"))
    gc.collect()
    assert content.exists()
    del artifact
    gc.collect()
    assert not content.parent.exists()


def test_a_model_of_two_files_is_copied_whole(tmp_path: Path) -> None:
    from pytest_edgegate.reading.copies import PrivateCopy

    made = tmp_path / "made"
    (made / "weights").mkdir(parents=True)
    files = (made / "m.onnx", made / "weights" / "w.bin")
    for each in files:
        each.write_bytes(os.urandom(3_000_000))
    copy = PrivateCopy(files[0], files, SCRATCH.subfolder)
    assert [each.read_bytes() for each in copy.files] == [each.read_bytes() for each in files]
    assert copy.files[1].relative_to(copy.path.parent) == Path("weights", "w.bin")
    assert copy.path.name == "m.onnx"


def test_a_folder_is_copied_under_its_name(tmp_path: Path) -> None:
    from pytest_edgegate.reading.copies import PrivateCopy

    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "index").write_bytes(b"weights")
    files = tuple(sorted(each for each in folder.rglob("*") if each.is_file()))
    copy = PrivateCopy(folder, files, SCRATCH.subfolder)
    assert copy.path.name == "saved"
    assert (copy.path / "variables" / "index").read_bytes() == b"weights"
    assert not os.path.samefile(copy.path, folder)


def test_a_file_that_is_written_to_while_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_edgegate.reading import copies

    path = tmp_path / "m.bin"
    path.write_bytes(b"1" * 100)
    copy_bytes = copies._copy_bytes

    def written_meanwhile(source: Any, made: Any) -> None:
        path.write_bytes(b"2" * 100)
        copy_bytes(source, made)

    monkeypatch.setattr(copies, "_copy_bytes", written_meanwhile)
    with pytest.raises(ConfigurationError, match="changed while it was being gated"):
        copies.PrivateCopy(path, (path,), SCRATCH.subfolder)


def test_files_outside_the_folder_of_a_model_are_refused(tmp_path: Path) -> None:
    from pytest_edgegate.reading.copies import PrivateCopy

    inside, outside = tmp_path / "good" / "m.onnx", tmp_path / "w.bin"
    for each in (inside, outside):
        each.write_bytes(b"bytes")
    for given in (outside, inside.parent / ".." / "w.bin"):
        with pytest.raises(ConfigurationError, match="outside the folder"):
            PrivateCopy(inside, (inside, given), SCRATCH.subfolder)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_edgegate.core.errors import StorageError
    from pytest_edgegate.reading import copies

    path = tmp_path / "m.bin"
    path.write_bytes(b"bytes")

    def full(source: Any, made: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "_copy_bytes", full)
    with pytest.raises(StorageError, match="No space left on device") as raised:
        copies.PrivateCopy(path, (path,), SCRATCH.subfolder)
    assert "TMPDIR" in raised.value.remedy


def test_what_the_cache_holds_is_not_copied(start: Starter, tmp_path: Path) -> None:
    session = start()
    subject = Given(write(tmp_path / "m.fake", FEW, "float32"), fake_data())
    artifact = session.compress(session.case(subject, session.target("fake-board")), (PTQ(),))
    assert artifact.copy is None
    assert artifact.main == artifact.path


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> Iterator[None]:
    """What frameworks have left in this process is not gone through after every test."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    gc.collect()
    SCRATCH.remove()
