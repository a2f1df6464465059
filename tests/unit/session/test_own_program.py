"""Tools of a user's own: commands that are given a file and print figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from filelock import FileLock

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Program, Target
from pytest_edgegate.core.tools import Absent, Figure
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.tooling import own_program
from pytest_edgegate.session.tooling.own_program import OwnProgram
from pytest_edgegate.testing.fakes import FAKE_CHIP
from pytest_edgegate.testing.tool_contract import ToolCase, ToolContract

PRINTS = """
import json, sys
print("starting", file=sys.stderr)
print(json.dumps({figures}))
"""
GOOD = {"memory": 43_000, "latency_p50": 0.0042, "board": "a"}
METRICS = ("memory", "latency_p50")


def target(command: Sequence[str], metrics: Sequence[str] = METRICS, **more: Any) -> Target:
    return replace(
        FAKE_CHIP,
        tools=MappingProxyType(dict.fromkeys(metrics, "bench")),
        programs=MappingProxyType({"bench": Program(tuple(command), **more)}),
    )


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """A command that runs a Python script."""

    def make(code: str) -> list[str]:
        (tmp_path / "bench.py").write_text(code)
        return [sys.executable, "bench.py"]

    return make


@pytest.fixture
def ask(tmp_path: Path, script: Callable[[str], list[str]]) -> Callable[..., Mapping[str, Any]]:
    """The figures that a script's output gives of a file."""

    def figures(code: str, metrics: Sequence[str] = METRICS, **more: Any) -> Mapping[str, Any]:
        (tmp_path / "a model.fake").write_text("{}")
        tool = OwnProgram("bench", target(script(code), metrics, **more), tmp_path)
        return tool.compile(tmp_path / "a model.fake", FAKE_CHIP, tmp_path).figures

    return figures


class TestOwnProgram(ToolContract):
    @pytest.fixture
    def case(self, tmp_path_factory: pytest.TempPathFactory) -> ToolCase:
        root = tmp_path_factory.mktemp("root")
        reads = "import json, sys; json.load(open(sys.argv[1]))\n"
        (root / "bench.py").write_text(reads + PRINTS.replace("{figures}", repr(GOOD)))
        path = root / "m.fake"
        path.write_text("{}")
        board = target([sys.executable, "bench.py"])
        return ToolCase(OwnProgram("bench", board, root), path, board)


def test_numbers_are_in_the_metrics_unit_and_texts_are_as_in_budgets(
    ask: Callable[..., Mapping[str, Any]],
) -> None:
    numbers = ask(PRINTS.replace("{figures}", repr(GOOD)))
    texts = {"memory": "43 kB", "latency_p50": "4.2 ms"}
    expected = {"memory": Figure(43_000, "tool:bench"), "latency_p50": Figure(0.0042, "tool:bench")}
    assert numbers == ask(PRINTS.replace("{figures}", repr(texts))) == expected
    small = ask(PRINTS.replace("{figures}", "{'latency_p50': 1e-05}"), ["latency_p50"])
    assert small["latency_p50"].value == 1e-05


def test_the_object_may_take_lines_and_follow_others(
    ask: Callable[..., Mapping[str, Any]],
) -> None:
    found = ask(
        f"import json\nprint('{{not this}}\\nrun 1')\nprint(json.dumps({GOOD!r}, indent=2))\n"
    )
    assert found["memory"].value == 43_000


def test_the_file_is_an_argument_and_no_shell_reads_it(
    ask: Callable[..., Mapping[str, Any]], tmp_path: Path
) -> None:
    code = (
        "import json, os, sys\n"
        "assert os.path.isabs(sys.argv[-1]) and os.path.isfile(sys.argv[-1])\n"
        "print(json.dumps({'memory': os.path.getsize(sys.argv[-1])}))\n"
    )
    assert ask(code, ["memory"])["memory"].value == 2
    (tmp_path / "m;touch x.fake").write_text("{}")
    inside = target(
        [
            sys.executable,
            "-c",
            "import sys; assert sys.argv[1] != sys.argv[2]; "
            "print('{\"memory\": %d}' % len(open(sys.argv[1]).read()))",
            "{model}",
            "$HOME;ls",
        ],
        ["memory"],
    )
    tool = OwnProgram("bench", inside, tmp_path)
    found = tool.compile(tmp_path / "m;touch x.fake", inside, tmp_path).figures
    assert found == {"memory": Figure(2, "tool:bench")}
    assert not (tmp_path / "x.fake").exists()


def test_what_it_does_not_print_is_absent(ask: Callable[..., Mapping[str, Any]]) -> None:
    found = ask(PRINTS.replace("{figures}", "{'memroy': 5}"), ["memory"])
    assert found == {
        "memory": Absent(
            "bench printed no memory, but memroy",
            "have it print memory, or name another tool for it",
        )
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('no board')", "ended with exit status 1: no board"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("raise SystemExit(255)", "ended with exit status 255"),
        ("pass", "printed nothing"),
        ("print('done')", "printed no JSON object at its end: done"),
        ("print('{')", "printed no JSON object"),
        ("print('[' * 100_000)", "printed no JSON object"),
        ("print('{\"memory\": ' * 100_000)", "printed no JSON object"),
        ("print('{\"memory\": ' + '9' * 5000 + '}')", "printed no JSON object"),
        ("print('{\"memory\": 4}\\nERROR: no board')", "at its end: ERROR: no board"),
        ("import sys; print('{\"memory\": 4}', file=sys.stderr)", "printed nothing on stdout"),
        ("while True: print('x' * 100_000)", "printed more than 4 MB, and was ended"),
        ("print('x' * 5_000_000); print('{\"memory\": 4}')", "printed more than 4 MB"),
        ("import sys; open(sys.argv[1], 'a').write(' ')", "changed the file"),
        ("import os, sys; os.remove(sys.argv[1])", "changed the file"),
        ("while True: pass", "did not end within 1 s"),
    ],
)
def test_a_failure_is_told_and_not_remembered(
    ask: Callable[..., Mapping[str, Any]], code: str, said: str
) -> None:
    with pytest.raises(CompressionError) as caught:
        ask(code, ["memory"], **({"seconds": 1} if "while" in code else {}))
    assert said in caught.value.message
    assert caught.value.remedy


def keyed(root: Path, command: Sequence[str], **more: Any) -> Mapping[str, object]:
    return OwnProgram("bench", target(command, **more), root).options(FAKE_CHIP)


def test_its_key_has_all_that_it_prints_as_its_version(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    def told(prints: str) -> object:
        version = (sys.executable, "-c", prints)
        return keyed(tmp_path, script("pass"), version=version)["told"]

    adb = "Android Debug Bridge version 1.0.41"
    found = told(f"print('{adb}\\nVersion 35.0.1')")
    assert str(found).startswith(f"{adb} ")
    assert told(f"print('{adb}\\nVersion 35.0.1')") == found
    assert told(f"print('{adb}\\nVersion 35.0.2')") != found
    assert str(told("import sys; print('gcc 12', file=sys.stderr)")).startswith("gcc 12 ")
    assert keyed(tmp_path, script("pass"))["told"] == ""


def test_its_key_has_the_digests_of_the_files_that_it_names(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "cfg.json").write_text("1")
    command = [*script("pass"), "--config=cfg.json"]
    found = keyed(tmp_path, command)
    assert keyed(tmp_path, command) == found
    assert keyed(tmp_path, [*script("pass # now"), "--config=cfg.json"]) != found
    assert keyed(tmp_path, command[:-1]) != keyed(tmp_path, command) == keyed(tmp_path, command)
    command = [*script("pass"), "--config=cfg.json"]
    (tmp_path / "cfg.json").write_text("2")
    assert keyed(tmp_path, command) != found
    assert keyed(tmp_path, [sys.executable, "-c", "pass # " + "x" * 5_000])


def test_its_key_has_the_metrics_that_it_is_named_for(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    tools = [
        OwnProgram("bench", target(script(""), each), tmp_path) for each in (METRICS, ["memory"])
    ]
    assert tools[0].options(FAKE_CHIP) != tools[1].options(FAKE_CHIP)


@pytest.mark.parametrize(
    ("prints", "said", "next_line"),
    [
        ("raise SystemExit('no daemon')", "ended with exit status 1: no daemon", "by hand"),
        ("pass", "printed no version", "by hand"),
        ("while True: pass", "did not end within 0.5 s", "have it answer within 0.5 s"),
        (None, "can't be run", "put no-such-adb on PATH"),
    ],
)
def test_a_version_that_is_not_told_is_a_failure_of_its_figures_only(
    script: Callable[[str], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prints: str | None,
    said: str,
    next_line: str,
) -> None:
    monkeypatch.setattr(own_program, "_ASKING", 0.5 if prints and "while" in prints else 60)
    asked = ("no-such-adb",) if prints is None else (sys.executable, "-c", f"{prints} # tells")
    board = target(script("raise SystemExit('it is asked')"), version=asked)
    tool = OwnProgram("bench", board, tmp_path)
    assert tool.version()
    assert tool.options(board)["told"] is None
    path = tmp_path / "m.fake"
    path.write_text("{}")
    with pytest.raises(CompressionError) as caught:
        tool.compile(path, board, tmp_path)
    message, remedy = caught.value.message, caught.value.remedy
    assert ", which tells the version of bench of the target fake-chip, " in message
    assert said in message
    assert next_line in remedy
    assert "or take version out of tool.bench" in remedy
    assert "bench.py" not in remedy


def test_a_version_is_asked_for_once(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    code = "import time; print(time.time_ns())"
    tool = OwnProgram("bench", target(script(""), version=(sys.executable, "-c", code)), tmp_path)
    assert tool.options(FAKE_CHIP) == tool.options(FAKE_CHIP)


def test_a_program_that_changes_while_it_is_asked_gives_no_figures(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    code = "open('bench.py', 'a').write('# '); print('{\"memory\": 4}')"
    tool = OwnProgram("bench", target(script(code), ["memory"]), tmp_path)
    path = tmp_path / "m.fake"
    path.write_text("{}")
    first = tool.options(FAKE_CHIP)
    with pytest.raises(CompressionError, match="has changed while it was asked"):
        tool.compile(path, FAKE_CHIP, tmp_path)
    assert tool.options(FAKE_CHIP) != first
    tool.options(FAKE_CHIP)
    script("print('{\"memory\": 4}')")  # as an editor does after the key was made
    with pytest.raises(CompressionError, match="has changed while it was asked"):
        tool.compile(path, FAKE_CHIP, tmp_path)
    tool.options(FAKE_CHIP)
    assert tool.compile(path, FAKE_CHIP, tmp_path).figures


BOARD = """
import json, os, sys
folder = os.path.dirname(sys.argv[1])
told = {"memory": os.path.getsize(sys.argv[1]), "flash": len(os.listdir(folder))}
open("given", "w").write(sys.argv[1])
DOES
print(json.dumps(told))
"""


@pytest.mark.parametrize("does", ["", "import shutil; shutil.copy('other', sys.argv[1])"])
def test_it_is_given_copies_of_all_files_of_an_artifact(
    script: Callable[[str], list[str]], tmp_path: Path, does: str
) -> None:
    (tmp_path / "other").write_text("another model")
    files = [tmp_path / "models" / name for name in ("e.onnx", "e.onnx.data", "unrelated")]
    files[0].parent.mkdir()
    for each in files:
        each.write_text(each.name)
    board = target(script(BOARD.replace("DOES", does)), ["memory", "flash"])
    tool = OwnProgram("bench", board, tmp_path)
    if does:
        with pytest.raises(CompressionError, match="changed the file that it was given"):
            tool.ask(files[0], files[:2])
    else:
        figures = tool.ask(files[0], (files[1], files[0])).figures
        assert figures["memory"] == Figure(len("e.onnx"), "tool:bench")
        assert figures["flash"] == Figure(2, "tool:bench")
    given = Path((tmp_path / "given").read_text())
    assert given.is_absolute()
    assert given.name == "e.onnx"
    assert given != files[0]
    assert not given.parent.exists()
    assert [each.read_text() for each in files] == [each.name for each in files]


@pytest.mark.parametrize(
    ("metric", "printed", "said"),
    [
        ("memory", "true", "is neither a number nor a text"),
        ("memory", "NaN", "is not a finite number"),
        ("memory", "-1", "is negative"),
        ("memory", "1e999", "is not a finite number"),
        ("memory", "[4]", "is neither a number nor a text"),
        ("memory", '"4 ms"', "has the unknown unit"),
        ("memory", "0", "0, which no file takes"),
        ("memory", "0.5", "is not a whole number of bytes"),
        ("flash", '"0 kB"', "0 kB, which no file takes"),
        ("latency_p99", "0", "0, which no file takes"),
        ("latency_p99", "1e-30", "1e-30, which no file takes"),
        ("latency_p99", "1e-300", "far from anything measured"),
        ("latency_p99", '"0 ms"', "0 ms, which no file takes"),
        ("latency_p99", "-0.0", "which no file takes"),
        ("mapped_ops", "1.5", "a share is at most 1"),
    ],
)
def test_a_figure_that_is_none_leaves_the_others(
    script: Callable[[str], list[str]], tmp_path: Path, metric: str, printed: str, said: str
) -> None:
    text = f'{{"{metric}": {printed}, "latency_p50": 0.004}}'
    tool = OwnProgram(
        "bench", target(script(f"print({text!r})"), [metric, "latency_p50"]), tmp_path
    )
    (tmp_path / "m.fake").write_text("{}")
    found = tool.compile(tmp_path / "m.fake", FAKE_CHIP, tmp_path)
    assert found.figures["latency_p50"] == Figure(0.004, "tool:bench")
    bad = found.figures[metric]
    assert isinstance(bad, Absent)
    assert bad.reason.startswith(f"bench printed a {metric} that is none: ")
    assert said in bad.reason
    assert "have it print" in bad.remedy
    assert not found.settled


@pytest.mark.parametrize(("metric", "value"), [("streamed_bytes", 0), ("mapped_ops", 0)])
def test_what_may_be_zero(ask: Callable[..., Mapping[str, Any]], metric: str, value: int) -> None:
    found = ask(PRINTS.replace("{figures}", repr({metric: value})), [metric])
    assert found == {metric: Figure(0, "tool:bench")}


@pytest.mark.parametrize(
    "prints",
    [
        "print('\\ufeff' + TEXT)",
        "print(TEXT + '\\x1b[0m')",
        "print('\\x1b[32m' + TEXT + '\\x1b[0m')",
        "print('10 %\\r100 %\\r' + TEXT)",
        'print(\'{\\n  "runs": [\\n{"a": 1},\\n{"a": 2}\\n  ],\\n\' + TEXT[1:])',
        "print(TEXT, flush=True); print('unclosed file', file=sys.stderr)",
        "print('x' * 3_000_000); print(TEXT)",
    ],
)
def test_what_stands_around_its_figures(
    ask: Callable[..., Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch, prints: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    text = '{"memory": 4, "note": "one\u2028{two"}'
    assert ask(f"import sys\nTEXT = {text!r}\n{prints}", ["memory"])["memory"].value == 4


def test_what_it_says_on_stderr_is_in_its_failure(ask: Callable[..., Mapping[str, Any]]) -> None:
    code = "import sys; print('run 1', flush=True); sys.stderr.write('USB lost\\n'); sys.exit(3)"
    with pytest.raises(CompressionError) as caught:
        ask(code, ["memory"])
    assert caught.value.message.endswith("ended with exit status 3: USB lost")
    assert "run 1" in str(caught.value.__cause__)
    assert "USB lost" in str(caught.value.__cause__)


@pytest.mark.parametrize("metric", ["latency_p50", "memory"])
def test_one_run_at_a_time_times_a_board(
    script: Callable[[str], list[str]], tmp_path: Path, metric: str
) -> None:
    told: list[str] = []
    board = target(script(f"print({json.dumps(json.dumps(GOOD))})"), [metric])

    def ends(what: str, done: float, of: float | None) -> None:
        told.append(what)
        other.release()

    tool = OwnProgram("bench", board, tmp_path, ends)
    other = FileLock(tool.lock)
    path = tmp_path / "m.fake"
    path.write_text("{}")
    with other:
        assert tool.compile(path, board, tmp_path).figures
    waited = ["waiting for another run of bench, seconds"] if metric == "latency_p50" else []
    assert told == waited
    again = OwnProgram("bench", board, tmp_path, lambda *what: pytest.fail(str(what)))
    assert again.compile(path, board, tmp_path).figures, "the lock is free again"


def test_each_program_has_a_lock_of_its_own(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    command = script("pass")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "bench.py").write_text("pass # changed")
    one = OwnProgram("bench", target(command), tmp_path).lock
    assert OwnProgram("bench", target([*command, "--runs=5"]), tmp_path).lock == one
    assert OwnProgram("bench", target(command), tmp_path / "checkout").lock == one
    assert OwnProgram("bench", target(command[:1]), tmp_path).lock != one


def test_a_program_is_looked_up_on_path_or_beside_the_project(tmp_path: Path) -> None:
    missing = OwnProgram("bench", target(["no-such-program"]), tmp_path)
    assert missing.version() is None
    assert "put no-such-program on PATH" in missing.remedy
    program = tmp_path / "tools" / "bench"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nprint('{{\"memory\": 7}}')\n")
    program.chmod(0o755)
    tool = OwnProgram("bench", target(["tools/bench"], ["memory"]), tmp_path)
    assert tool.version()
    (tmp_path / "m.fake").write_text("{}")
    assert tool.compile(tmp_path / "m.fake", FAKE_CHIP, tmp_path).figures == {
        "memory": Figure(7, "tool:bench")
    }


def test_what_is_no_program_says_what_to_do(tmp_path: Path) -> None:
    program = tmp_path / "tools" / "bench"
    program.parent.mkdir()
    program.write_text("echo\n")
    plain = OwnProgram("bench", target(["tools/bench"]), tmp_path)
    assert plain.version() is None
    assert plain.remedy == "make it executable: chmod +x tools/bench"
    assert "that is a folder" in OwnProgram("bench", target(["./tools"]), tmp_path).remedy
    (tmp_path / "bench-it").touch()
    assert "write ./bench-it" in OwnProgram("bench", target(["bench-it"]), tmp_path).remedy
    program.chmod(0o755)
    (tmp_path / "m.fake").write_text("{}")
    with pytest.raises(CompressionError) as caught:
        plain.compile(tmp_path / "m.fake", FAKE_CHIP, tmp_path)
    assert "can't be started: Exec format error" in caught.value.message
    assert caught.value.remedy == "begin it with the line of its interpreter: #!/bin/sh"


def test_only_a_budget_of_its_metrics_asks_it(
    start: Callable[..., EdgeSession],
    subject: Callable[..., Given],
    script: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    board = target(script("open('ran', 'a').write('.'); print('{\"memory\": 4}')"), ["memory"])
    session = start()
    case = session.case(subject(), board)
    artifact = session.compress(case, None)
    session.judge(case, artifact, (Budget("size", 1_000_000),), contract=True)
    assert not (tmp_path / "ran").exists()
    for _ in range(2):
        session.judge(case, artifact, (Budget("memory", 10),), contract=True)
    assert (tmp_path / "ran").read_text() == "."


def test_a_figure_that_is_none_is_asked_for_again_in_the_next_run(
    start: Callable[..., EdgeSession],
    subject: Callable[..., Given],
    script: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    log = tmp_path / "ran"
    code = (
        "import os\n"
        "had = os.path.exists('ran')\n"
        "open('ran', 'a').write('.')\n"
        'print(\'{"memory": 4, "latency_p50": %s}\' % (0.004 if had else 0))'
    )
    board = target(script(code))
    outcomes = []
    for _ in range(3):
        session = start()
        case = session.case(subject(), board)
        artifact = session.compress(case, None)
        asked = (Budget("memory", 10), Budget("latency_p50", 1))
        outcomes.append([each.outcome for each in session.judge(case, artifact, asked)])
    assert outcomes == [[Outcome.PASS, Outcome.NOT_MEASURED], *[[Outcome.PASS] * 2] * 2]
    assert log.read_text() == ".."


@pytest.mark.parametrize(
    ("policy", "limit", "outcome"),
    [
        ("point", 0.005, Outcome.PASS),
        ("lenient", 0.005, Outcome.PASS),
        ("strict", 0.005, Outcome.INCONCLUSIVE),
        ("point", 0.004, Outcome.FAIL),
        ("lenient", 0.004, Outcome.FAIL),
        ("strict", 0.004, Outcome.INCONCLUSIVE),
    ],
)
def test_a_time_of_others_decides_and_proves_nothing(
    start: Callable[..., EdgeSession],
    subject: Callable[..., Given],
    script: Callable[[str], list[str]],
    policy: str,
    limit: float,
    outcome: Outcome,
) -> None:
    board = target(script(f"print({json.dumps(json.dumps(GOOD))})"))
    session = start(policy=policy)
    case = session.case(subject(), board)
    asked = (Budget("latency_p50", limit), Budget("memory", 43_000))
    artifact = session.compress(case, None)
    verdicts: Sequence[Verdict] = session.judge(case, artifact, asked)
    time, memory = verdicts
    assert (time.outcome, time.proven) == (outcome, False)
    assert time.measured is not None
    assert time.measured.source == "tool:bench"
    assert "without the noise" in time.note
    assert (memory.outcome, memory.proven) == (Outcome.PASS, True)
