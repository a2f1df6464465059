"""Whatever a backend raises about a file of others is an error of ours in the session."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, InferenceError
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.foreign_files import ForeignInspector, ForeignModel, reading
from pytest_edgegate.session.recognition import Recogniser
from pytest_edgegate.testing import fakes

PARTS: dict[str, Callable[[Any], object]] = {
    "node": lambda model: model.node,
    "files": lambda model: model.files,
    "note": lambda model: model.note,
    "digest": lambda model: model.digest(),
    "load": lambda model: model.load(),
}


class Broken:
    """A model, or an inspector, of which every part raises what no backend lists."""

    name, runtime, path, formats, kept = "m", "fake", Path("m.fake"), ("fake",), 5

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or OverflowError("odd")

    def _raise(self, *given: object) -> Any:
        raise self._error

    node, files, note = property(_raise), property(_raise), property(_raise)
    digest = load = describe = recognise = _raise


@pytest.mark.parametrize("part", PARTS)
def test_a_model(part: str) -> None:
    with pytest.raises(InferenceError) as raised:
        PARTS[part](ForeignModel(Broken(), Path("m.fake")))
    assert raised.value.message == "m.fake can't be read: OverflowError: odd"
    assert isinstance(raised.value.__cause__, OverflowError)
    ours = ConfigurationError("ours", "remedy")
    with pytest.raises(ConfigurationError, match="ours"):
        PARTS[part](ForeignModel(Broken(ours), Path("m.fake")))


def test_what_it_has_beside_the_port_is_there() -> None:
    model: Any = ForeignModel(Broken(), Path("m.fake"))
    assert (model.name, model.runtime, model.kept) == ("m", "fake", 5)
    assert not hasattr(model, "nothing")


def test_an_inspector() -> None:
    inspector = ForeignInspector(Broken())
    assert inspector.formats == ("fake",)
    with pytest.raises(InferenceError, match=r"m\.fake can't be read: OverflowError"):
        inspector.describe(Path("m.fake"))


def test_a_name_is_shown_as_far_as_a_line_goes() -> None:
    with pytest.raises(InferenceError) as raised, reading("folder/" + "a" * 4_000):
        raise ValueError
    assert raised.value.message == f"{'a' * 100} can't be read: ValueError"


class TestRecogniser:
    @pytest.fixture
    def registry(self) -> Registry:
        made = Registry()
        fakes.pytest_edgegate_register(made)
        return made

    @pytest.fixture
    def recogniser(self, registry: Registry, tmp_path: Path) -> Recogniser:
        return Recogniser(tmp_path, registry)

    def refusal(self, recogniser: Recogniser, given: object) -> str:
        with pytest.raises(EdgeGateError) as raised:
            recogniser.model(given)
        assert raised.value.remedy
        return raised.value.message

    def test_a_reader_that_raises(
        self, recogniser: Recogniser, registry: Registry, tmp_path: Path
    ) -> None:
        registry.add("model reader", "a-broken-one", Broken())
        (tmp_path / "m.odd").write_bytes(b"?")
        assert self.refusal(recogniser, "m.odd") == "m.odd can't be read: OverflowError: odd"

    @pytest.mark.parametrize("given", ["a" * 300, "/".join(["abc"] * 2_000)])
    def test_a_path_that_is_too_long(self, recogniser: Recogniser, given: str) -> None:
        assert "can't be read: file name too long" in self.refusal(recogniser, given)

    def test_a_pipe(self, recogniser: Recogniser, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "m.fake")
        assert "m.fake can't be read: it is a named pipe" in self.refusal(recogniser, "m.fake")

    def test_a_device(self, recogniser: Recogniser) -> None:
        assert "zero can't be read: it is a device" in self.refusal(recogniser, "/dev/zero")

    def test_where_pytest_started_is_gone(
        self, recogniser: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert "nowhere.fake does not exist" in self.refusal(recogniser, "nowhere.fake")
        fakes.fake_model(tmp_path / "m.fake")
        assert recogniser.model("m.fake").path == tmp_path / "m.fake"

    def test_a_folder_with_a_link_to_nowhere(self, recogniser: Recogniser, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "link").symlink_to("nowhere")
        assert "folder is no model" in self.refusal(recogniser, "folder")

    def test_a_folder_that_holds_a_disk(
        self, recogniser: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pytest_edgegate.reading.regular._MOST_FILES", 2)
        for name in "abc":
            (tmp_path / name).touch()
        assert "more than 2 files" in self.refusal(recogniser, tmp_path)
