"""The folder of ``--edge-export``, by itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.core.recipe import Distill
from pytest_edgegate.storage.exports import Exports, file_name

TEST = "tests/test_it.py::TestIt::test_ptq[coral]"
NAME = "tests-test_it.py--TestIt--test_ptq-coral"


def made(folder: Path, *names: str, content: str = "") -> Artifact:
    """An artifact of these files, the first of which a runtime opens."""
    files = tuple(folder / name for name in names)
    for each in files:
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_text(f"{each.name} {content}")
    return Artifact(
        files[0],
        "form",
        "int8",
        files,
        sum(each.stat().st_size for each in files),
        file_digest(files[0]),
        (Distill(epochs=10),),
        "coral",
        cached=False,
        provenance={"model": "net", "calibration_ranges": {"x": [0.0, float("nan")]}},
    )


def told(folder: Path, name: str = NAME) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("test", "name"),
    [
        (TEST, NAME),
        ("test_it.py::test_it[coral-small]", "test_it.py--test_it-coral-small"),
        ("edgegate::net.keras[host]", "edgegate--net.keras-host"),
    ],
)
def test_a_file_is_named_after_its_test(test: str, name: str) -> None:
    assert file_name(test) == name


def test_tests_that_differ_have_names_that_differ() -> None:
    tests = [
        "a/b.py::t[x]",
        "a-b.py::t[x]",
        "a.b.py::t[x]",
        "b.py::A::t[x]",
        "b.py::A-t[x]",
        "b.py::A[t-x]",
        "b.py::A--t[x]",
        "../b.py::A::t[x]",
        "b.py::t[ä]",
        "b.py::t[ö]",
        "b.py::t[a/b]",
        "b.py::t[a\\b]",
        "b.py::t[..]",
        "b.py::t[\x00\udc80]",
        f"b.py::t[{'x' * 500}]",
        f"b.py::t[{'x' * 501}]",
    ]
    names = [file_name(each) for each in tests]
    assert len({each.lower() for each in names}) == len(tests)
    assert all(each.isascii() and each.isprintable() and len(each) < 200 for each in names)
    assert not any(set(each) & set('<>:"/\\|?* []') for each in names)
    assert not any(each.startswith((".", "-")) for each in names)


def test_files_that_refer_to_each_other_keep_their_names(tmp_path: Path) -> None:
    artifact = made(tmp_path / "in", "m.xml", "m.bin", "data/w.bin")
    path = Exports(tmp_path / "out").put(artifact, TEST, 1)
    assert path == tmp_path / "out" / NAME / "m.xml"
    for each in artifact.files:
        copy = tmp_path / "out" / NAME / each.relative_to(tmp_path / "in")
        assert copy.read_bytes() == each.read_bytes()
    assert [*told(tmp_path / "out")["files"]] == [
        f"{NAME}/m.xml",
        f"{NAME}/m.bin",
        f"{NAME}/data/w.bin",
    ]


def test_a_file_is_not_put_outside_of_the_folder(tmp_path: Path) -> None:
    artifact = made(tmp_path / "in/side", "m.onnx", "../w.bin")
    Exports(tmp_path / "in/out").put(artifact, TEST, 1)
    assert (tmp_path / "in/out" / NAME / "w.bin").is_file()
    assert not (tmp_path / "in/out/w.bin").exists()


def test_a_compiled_file_lies_beside_what_it_was_compiled_from(tmp_path: Path) -> None:
    artifact = made(tmp_path / "in", "m.tflite")
    for name, put in (("m_edgetpu.tflite", f"{NAME}_edgetpu.tflite"), ("o.blob", f"{NAME}-o.blob")):
        compiled = tmp_path / "in" / name
        compiled.write_text(name)
        Exports(tmp_path / "out").put(replace(artifact, compiled=compiled), TEST, 1)
        assert (tmp_path / "out" / put).read_text() == name
        assert [*told(tmp_path / "out")["files"]] == [f"{NAME}.tflite", put]


def test_the_provenance_says_how_it_was_made(tmp_path: Path) -> None:
    artifact = made(tmp_path / "in", "m.tflite")
    Exports(tmp_path / "out").put(artifact, TEST, 1)
    found = told(tmp_path / "out")
    assert (found["schema"], found["test"], found["target"]) == (1, TEST, "coral")
    assert found["files"] == {f"{NAME}.tflite": artifact.sha256}
    assert found["recipe"] == ["Distill(epochs=10)"]
    assert found["recipe_in_full"] == [Distill().in_full]
    assert found["calibration_ranges"] == {"x": [0.0, None]}
    assert (found["model"], found["path"]) == ("net", str(artifact.path))


def test_what_was_exported_before_is_replaced(tmp_path: Path) -> None:
    out = Exports(tmp_path / "out")
    for content in ("first", "second"):
        path = out.put(made(tmp_path / "in", "m.tflite", content=content), TEST, 1)
        assert path.name == f"{NAME}.tflite"
        assert content in path.read_text()
    assert len(list(out.folder.iterdir())) == 2


@pytest.mark.parametrize("beside", [None, "{}", "[]", "not json", '{"test": "another"}'])
def test_a_file_of_another_is_left_alone(tmp_path: Path, beside: str | None) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{NAME}.tflite").write_text("of another")
    if beside is not None:
        (out / f"{NAME}.json").write_text(beside)
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    path = Exports(out).put(made(tmp_path / "in", "m.tflite"), TEST, 1)
    assert path.name.startswith(f"{NAME}+")
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_name_that_can_not_be_had_is_told_with_a_way_out(tmp_path: Path) -> None:
    out, artifact = tmp_path / "out", made(tmp_path / "in", "m.tflite")
    out.mkdir()
    (out / f"{NAME}.json").write_text("{}")
    second = Exports(out).put(artifact, TEST, 1)
    second.with_suffix(".json").write_text("{}")
    with pytest.raises(StorageError) as raised:
        Exports(out).put(artifact, TEST, 1)
    assert "are other files" in raised.value.message
    assert "--edge-export=DIR" in raised.value.remedy


def test_a_run_that_was_killed_leaves_what_the_next_one_completes(tmp_path: Path) -> None:
    out = Exports(tmp_path / "out")
    artifact = made(tmp_path / "in", "m.tflite")
    path = out.put(artifact, TEST, 1)
    path.with_suffix(".json").unlink()
    assert out.put(artifact, TEST, 1) == path
    assert told(out.folder)["test"] == TEST


def test_a_full_disk_leaves_nothing_and_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Exports(tmp_path / "out")
    path = out.put(made(tmp_path / "in", "m.tflite", content="first"), TEST, 1)

    def full(source: Path, to: Path) -> None:
        to.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="No space left") as raised:
        out.put(made(tmp_path / "in", "m.tflite", content="second"), TEST, 1)
    assert raised.value.remedy.startswith("free some space")
    assert "first" in path.read_text()
    assert len(list(out.folder.iterdir())) == 2
