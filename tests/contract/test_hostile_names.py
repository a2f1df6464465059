"""Names and messages of others in every output: nothing is obeyed, no file breaks."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

HOSTILE = (
    "\x1b]0;owned\x07\x1b[31m",
    "::add-mask::secret",
    "x\n::stop-commands::y\n##[add-mask]z",
    "</script><img src=x>]]></failure>",
    "[a](https://evil.example) ![b](c) @octocat",
    "\u202egpj.exe",
)
ON_GITHUB = """
import os
from pathlib import Path

os.environ["GITHUB_ACTIONS"] = "true"
os.environ["GITHUB_STEP_SUMMARY"] = str(Path(__file__).parent / "summary.md")
"""
TESTS = f"""
import pytest
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.testing.fakes import fake_model

HOSTILE = {HOSTILE!r}
of_others = pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))


@of_others
def test_message_of_a_tool(edge_ptq, text):
    raise InferenceError(f"the tool: {{text}}\\n{{text}}", f"mend\\n{{text}}")


@of_others
def test_name_of_a_file(edge_gate, tmp_path, text):
    path = fake_model(tmp_path / f"{{text.replace('/', '-')}}.fake")
    edge_gate.size(path, "1 kB")


@pytest.mark.parametrize("text", ["\\x1b[31m", "::add-mask::x", "</script>", "[a](http://b)"])
def test_name_of_a_test(edge_ptq, text):
    raise InferenceError("broken", "mend")
"""


@pytest.mark.workers
def test_every_output_of_a_run(play: Any, inner_conftest: str) -> None:
    ran = play(
        {"conftest.py": ON_GITHUB + inner_conftest, "test_it.py": TESTS},
        "--edge-target=fake-board",
        "--junitxml=junit.xml",
        "--edge-report-md=report.md",
        "-rA",
        "-vv",
    )
    assert ran.status == 1
    assert len(ran.report["errors"]) == len(HOSTILE) + 4, ran.everything
    texts = [each["message"] for each in ran.report["errors"]]
    assert [each for each in HOSTILE if not any(each in text for text in texts)] == []

    commands = [line for line in ran.output.splitlines() if line.lstrip().startswith("::")]
    assert {each.partition(" ")[0] for each in commands} == {"::error"}
    assert len(commands) == 10
    assert not set(ran.output) & {"\x1b", "\x07", "\u202e"}
    assert "##[" not in ran.output

    cases = ElementTree.parse(ran.folder / "junit.xml").getroot().iter("testcase")
    failed = [failure.text or "" for case in cases for failure in case.iter("failure")]
    assert len(failed) == 2 * len(HOSTILE) + 4
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(failed))
    assert any("</script><img src=x>]]></failure>" in text for text in failed)

    for name in ("report.md", "summary.md"):
        text = (ran.folder / name).read_text("utf-8")
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        for each in ("<img", "</script>", "@octocat", "##["):
            assert each not in text
        assert re.search(r"(?<!\\)\]\(", text) is None
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_the_name_of_a_model_on_the_command_line(play: Any) -> None:
    name = "m\n::add-mask::x\x1b[31m.fake"
    content = json.dumps({"fake": 1})
    ran = play({name: content}, "--edge-target=fake-board", f"--edge-model={name}", "-rA", "-v")
    assert ran.status != 0
    assert not set(ran.everything) & {"\x1b"}
    assert not any(line.lstrip().startswith("::") for line in ran.everything.splitlines())
    assert "edgegate::m\\n::add-mask::x\\x1b[31m.fake[fake-board]" in ran.output
