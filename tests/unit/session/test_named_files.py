"""The files that a command names: its program, what it reads, and what it writes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Program, Target
from pytest_edgegate.core.tools import Compiled, Figure
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.tooling import named_files
from pytest_edgegate.session.tooling.named_files import NamedFiles
from pytest_edgegate.session.tooling.own_program import OwnProgram
from pytest_edgegate.testing.fakes import FAKE_CHIP

LOGS = """
import sys
with open("bench.log", "a") as log:
    log.write("asked\\n")
print('{"memory": 4}')
"""
LOGGING = [sys.executable, "bench.py", "{model}", "--log=bench.log"]
READING = [sys.executable, "bench.py", "{model}", "--config=cfg.json"]
AGAIN = "changed in this run, so the next one asks again"


def target(command: Sequence[str]) -> Target:
    return replace(
        FAKE_CHIP,
        tools=MappingProxyType({"memory": "bench"}),
        programs=MappingProxyType({"bench": Program(tuple(command))}),
    )


@pytest.fixture
def tool(tmp_path: Path) -> Callable[..., OwnProgram]:
    """A new one, as each session has it, for a script."""
    (tmp_path / "m.fake").write_text("{}")

    def make(command: Sequence[str], code: str = LOGS) -> OwnProgram:
        (tmp_path / "bench.py").write_text(code)
        return OwnProgram("bench", target(command), tmp_path)

    return make


def ask(tool: OwnProgram, root: Path) -> Compiled:
    return tool.compile(root / "m.fake", FAKE_CHIP, root)


def test_an_output_that_was_not_there_is_no_part_of_the_key(
    tool: Callable[..., OwnProgram], tmp_path: Path
) -> None:
    bench = tool(LOGGING)
    key = bench.options(FAKE_CHIP)
    for _ in range(2):
        assert ask(bench, tmp_path) == Compiled((), {"memory": Figure(4, "tool:bench")})
        assert bench.options(FAKE_CHIP) == key
    assert (tmp_path / "bench.log").read_text() == "asked\n" * 2


def test_a_file_that_changes_in_a_run_leaves_its_answer_to_this_session(
    tool: Callable[..., OwnProgram], tmp_path: Path
) -> None:
    (tmp_path / "bench.log").write_text("before\n")
    bench = tool(LOGGING)
    key = bench.options(FAKE_CHIP)
    for _ in range(2):
        found = ask(bench, tmp_path)
        assert found.figures["memory"] == Figure(4, "tool:bench", remark=f"bench.log {AGAIN}")
        assert not found.settled
        assert bench.options(FAKE_CHIP) == key, "each question of the session has one key"
    assert tool(LOGGING).options(FAKE_CHIP) != key


def test_a_file_that_a_later_run_only_reads_is_no_output(
    tool: Callable[..., OwnProgram], tmp_path: Path
) -> None:
    code = "import os\nif not os.path.exists('cfg.json'): open('cfg.json', 'w')\n"
    bench = tool(READING, code + "print('{\"memory\": 4}')")
    assert [ask(bench, tmp_path).settled for _ in range(3)] == [True, False, False]


def test_what_appears_before_the_run_is_no_output(
    tool: Callable[..., OwnProgram], tmp_path: Path
) -> None:
    bench = tool(READING, "print('{\"memory\": 4}')")
    bench.options(FAKE_CHIP)
    (tmp_path / "cfg.json").write_text("{}")
    assert not ask(bench, tmp_path).settled


def test_a_run_that_fails_and_writes_has_the_same_key_afterwards(
    tool: Callable[..., OwnProgram], tmp_path: Path
) -> None:
    (tmp_path / "bench.log").write_text("before\n")
    bench = tool(LOGGING, f"{LOGS}\nsys.exit('no board')")
    key = bench.options(FAKE_CHIP)
    with pytest.raises(CompressionError, match="no board"):
        ask(bench, tmp_path)
    assert bench.options(FAKE_CHIP) == key


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ([sys.executable, "bench.py"], "bench.py"),
        ([sys.executable, "-u", "-B", "./bench.py", "--runs=3"], "./bench.py"),
        (["sh", "run.sh", "bench.py"], "run.sh"),
        (["env", "A=1", "python3", "bench.py"], "bench.py"),
        ([sys.executable, "-m", "bench", "run.sh"], None),
        ([sys.executable, "-c", "pass", "run.sh"], None),
        (["bash", "-lc", "true", "run.sh"], None),
        (["./bench", "run.sh"], None),
    ],
)
def test_the_script_is_the_first_file_that_an_interpreter_is_given(
    tmp_path: Path, command: list[str], named: str | None
) -> None:
    for name in ("bench", "bench.py", "run.sh"):
        (tmp_path / name).write_text("")
    found = NamedFiles(command, tmp_path)
    assert list(found.program()) == [command[0], *([] if named is None else [named])]
    assert named not in found.seen().others
    assert ("run.sh" in found.seen().others) is ("run.sh" in command and named != "run.sh")


def test_an_interpreter_may_be_an_argument(tmp_path: Path) -> None:
    (tmp_path / "bench.py").write_text("")
    found = NamedFiles(["env", sys.executable, "bench.py"], tmp_path)
    assert list(found.program()) == ["env", sys.executable, "bench.py"]


def test_a_script_that_changes_is_named(tool: Callable[..., OwnProgram], tmp_path: Path) -> None:
    bench = tool(LOGGING, f"{LOGS}\nopen('bench.py', 'a').write('# ')")
    with pytest.raises(CompressionError) as caught:
        ask(bench, tmp_path)
    message = caught.value.message
    assert message == "bench of the target fake-chip has changed while it was asked: bench.py"


def test_one_lock_with_and_without_a_log(tool: Callable[..., OwnProgram], tmp_path: Path) -> None:
    lock = tool(LOGGING).lock
    (tmp_path / "bench.log").write_text("")
    assert tool(LOGGING).lock == lock


def test_a_file_that_nobody_writes_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    digest = named_files.file_digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(named_files, "file_digest", counted)
    files = NamedFiles([sys.executable, f"--image={json.__file__}"], tmp_path)
    first = files.seen()
    assert files.seen() == first
    assert first.others[json.__file__] == digest(Path(json.__file__))
    assert sorted(read) == sorted([Path(sys.executable), Path(json.__file__)])


def test_the_same_size_and_time_do_not_hide_what_was_written(tmp_path: Path) -> None:
    config = tmp_path / "cfg.json"
    files = NamedFiles([sys.executable, "cfg.json"], tmp_path)
    found = []
    for text in "123":
        config.write_text(text)
        os.utime(config, ns=(10**18, 10**18))  # as cp -p and archives do
        found.append(files.seen())
    assert found[0] != found[1] != found[2] != found[0]


@pytest.fixture
def judged(
    start: Callable[..., EdgeSession], subject: Callable[..., Given]
) -> Callable[..., Verdict]:
    """The verdict of another session on the same cache."""

    def judge(command: Sequence[str]) -> Verdict:
        session, board = start(), target(command)
        case = session.case(subject(), board)
        [found] = session.judge(case, session.compress(case, None), (Budget("memory", 10),))
        return found

    return judge


def test_a_log_is_asked_for_again_and_a_clean_checkout_is_not(
    judged: Callable[..., Verdict], tmp_path: Path
) -> None:
    log = tmp_path / "bench.log"
    (tmp_path / "bench.py").write_text(LOGS)
    found = []
    for lines in (1, 2, 3):
        found.append(judged(LOGGING))
        assert log.read_text().count("asked") == lines
    assert {each.outcome for each in found} == {Outcome.PASS}
    assert [AGAIN in each.note for each in found] == [False, True, True]
    log.unlink()
    assert judged(LOGGING).outcome is Outcome.PASS
    assert not log.exists(), "the answer of the first run was kept"


def test_an_input_that_is_edited_in_a_run_is_asked_about_again(
    judged: Callable[..., Verdict], tmp_path: Path
) -> None:
    config = tmp_path / "cfg.json"
    config.write_text("4")
    edits = "with open('cfg.json') as file: told = file.read()\n"
    edits += "if told == '4': open('cfg.json', 'w').write('5')\n"
    (tmp_path / "bench.py").write_text(f"{edits}print('{{\"memory\": %s}}' % told)")

    def measured() -> float | None:
        found = judged(READING).measured
        return found and found.value

    assert [measured(), measured()] == [4, 5]
    config.write_text("4")
    assert measured() == 4
    assert config.read_text() == "5", "it was asked: nothing is kept of the edited one"
