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

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Program, Target
from pytest_edgegate.core.tools import Absent, Figure
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
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
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "exit status 139"),
        ("pass", "printed nothing"),
        ("print('done')", "printed no JSON object at its end: done"),
        ("print('{')", "printed no JSON object"),
        ("print('[' * 100_000)", "printed no JSON object"),
        ("print('{\"memory\": ' * 100_000)", "printed no JSON object"),
        ("print('{\"memory\": true}')", "printed a memory that is none"),
        ("print('{\"memory\": NaN}')", "printed a memory that is none"),
        ("print('{\"memory\": -1}')", "printed a memory that is none"),
        ("print('{\"memory\": 1e999}')", "printed a memory that is none"),
        ("print('{\"memory\": ' + '9' * 5000 + '}')", "printed no JSON object"),
        ('print(\'{"memory": "4 ms"}\')', "printed a memory that is none"),
        ("print('{\"memory\": [4]}')", "printed a memory that is none"),
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


def test_its_version_has_the_digests_of_the_files_that_it_names(
    script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    asked = [sys.executable, "-c", "print('bench 2.1\\nmore')"]
    found = OwnProgram("bench", target(script("pass"), version=tuple(asked)), tmp_path).version()
    assert found is not None
    assert found.startswith("bench 2.1 ")
    digest = found.removeprefix("bench 2.1 ")
    assert OwnProgram("bench", target(script("pass")), tmp_path).version() == digest
    assert OwnProgram("bench", target(script("pass # now")), tmp_path).version() != digest
    silent = target(script("pass"), version=(sys.executable, "-c", "pass"))
    with pytest.raises(CompressionError, match="printed no version"):
        OwnProgram("bench", silent, tmp_path).version()


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
