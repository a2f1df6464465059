"""Models and data, recognised by their content."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.subject import Given, Missing, Subject
from pytest_edgegate.testing.fakes import fake_data, fake_model

Starter = Callable[..., EdgeSession]


@pytest.mark.parametrize("fixture", ["edge_model", "edge_data", "edge_student"])
def test_a_missing_fixture_shows_lines_that_can_be_pasted(start: Starter, fixture: str) -> None:
    recogniser = start().recogniser
    ask = recogniser.dataset if fixture == "edge_data" else recogniser.model
    with pytest.raises(ConfigurationError) as raised:
        ask(Missing(fixture))
    assert raised.value.message == f"there is no fixture {fixture}"
    first, lines = raised.value.remedy.split("\n\n", maxsplit=1)
    assert first == "paste this into conftest.py and fill it in:"
    assert f"def {fixture}():" in lines
    ast.parse(lines)


def test_nothing_given_is_missing(start: Starter) -> None:
    recogniser = start().recogniser
    nothing = Subject(Given(), recogniser)
    assert not nothing.has_model
    assert not nothing.has_data
    assert not nothing.has_evaluation
    both = Subject(Given("m.fake", fake_data()), recogniser)
    assert both.has_model
    assert both.has_evaluation


def test_a_path_is_found_from_the_root_and_from_where_pytest_was_started(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    recogniser = start().recogniser
    fake_model(below / "near.fake")
    fake_model(tmp_path / "root.fake")
    assert recogniser.model("near.fake").path == below / "near.fake"
    assert recogniser.model("root.fake").path == tmp_path / "root.fake"
    assert recogniser.model(tmp_path / "root.fake").name == "root"
    with pytest.raises(ConfigurationError, match=r"none\.fake does not exist"):
        recogniser.model("none.fake")


def test_a_file_that_is_written_again_is_read_again(start: Starter, tmp_path: Path) -> None:
    recogniser = start().recogniser
    one = recogniser.model(fake_model(tmp_path / "m.fake"))
    assert recogniser.model("m.fake") is one
    digest = one.digest()
    other = recogniser.model(fake_model(tmp_path / "m.fake", wrong=[1, 2, 3]))
    assert other.digest() != digest


def test_what_no_backend_knows(start: Starter, tmp_path: Path) -> None:
    recogniser = start().recogniser
    (tmp_path / "notes.txt").write_text("nothing of a model")
    with pytest.raises(ConfigurationError, match=r"notes\.txt is no model that an installed"):
        recogniser.model("notes.txt")
    with pytest.raises(ConfigurationError, match=r"edge_model is a builtins\.dict, which no"):
        recogniser.model({})
    (tmp_path / "empty.fake").touch()
    with pytest.raises(InferenceError, match=r"empty\.fake is empty"):
        recogniser.model("empty.fake")


def test_data_is_read_once(start: Starter) -> None:
    recogniser = start().recogniser
    data = fake_data()
    assert recogniser.dataset(data) is recogniser.dataset(data)
    assert recogniser.dataset(fake_data()) is not recogniser.dataset(data)
