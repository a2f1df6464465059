"""Recipes that train: what they need, what is kept of them, and what ends them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MORE = """

import os
from pathlib import Path

from pytest_edgegate import EdgeData, EdgeTraining
from pytest_edgegate.testing.fake_training import FakeTraining
from pytest_edgegate.testing.fakes import FakeTransform, fake_data, fake_model, fake_samples


def count(transform, step):
    with open("built.txt", "a") as opened:
        opened.write(f"{type(step).__name__}\\n")


class CountingTraining(FakeTraining):
    def apply(self, model, step, target, data, out):
        count("training", step)
        if (pipe := os.environ.get("STOP_AT")):
            with open(pipe, "w") as opened:
                opened.write("training")
            with open(f"{pipe}-never") as opened:
                opened.read()
        return super().apply(model, step, target, data, out)


class Counting(FakeTransform):
    def apply(self, model, step, target, data, out):
        count("transform", step)
        return super().apply(model, step, target, data, out)


def pytest_edgegate_register(registry):
    registry.add("transform", "fake", Counting())
    registry.add("transform", "fake-training", CountingTraining())


@pytest.fixture
def edge_student(request, tmp_path_factory):
    mark = request.node.get_closest_marker("student")
    path = tmp_path_factory.mktemp("student") / "s.fake"
    return fake_model(path, bytes=2000, **({} if mark is None else mark.kwargs))


def pytest_configure(config):
    for name in ("model", "samples", "labels", "student"):
        config.addinivalue_line("markers", f"{name}(**what)")
"""

RECIPES = """
import pytest
from pytest_edgegate import PTQ, QAT, Distill, Prune


def recipe(artifact):
    return ", ".join(map(str, artifact.recipe))


def test_qat(edge_qat):
    assert recipe(edge_qat) == "QAT(epochs=2)"


def test_pruned(edge_pruned):
    assert recipe(edge_pruned) == "Prune(amount=0.3), PTQ(samples=200)"
    assert edge_pruned.size_bytes == 700


def test_distilled(edge_distilled):
    assert recipe(edge_distilled) == "Distill(temperature=4.0), QAT(epochs=2)"
    assert edge_distilled.size_bytes == 500
    facts = edge_distilled.provenance["facts"]
    assert facts["Distill(temperature=4.0)"]["samples"] == 1000
    assert len(facts["QAT(epochs=2)"]["losses"]) == 2


@pytest.mark.edge_recipe(Distill(epochs=1), Prune(0.5, epochs=1), PTQ())
@pytest.mark.edge_budget(accuracy_drop=0.01, size="250 B")
def test_all_of_it(edge_artifact): ...


@pytest.mark.edge_recipe(Prune(0.5, epochs=1))
def test_completed(edge_artifact):
    assert recipe(edge_artifact).endswith("PTQ(samples=200)")
"""

STEPS = """
import pytest
from pytest_edgegate import QAT, Prune


@pytest.mark.edge_recipe(Prune(0.5, epochs=1), QAT({last}))
def test_steps(edge_artifact): ...
"""

FAULTS = """
import pytest
from pytest_edgegate import PTQ, QAT, Distill, EdgeData, EdgeTraining, Prune
from pytest_edgegate.testing.fakes import fake_data, fake_samples


class TestNothingToTrainOn:
    @pytest.fixture
    def edge_data(self):
        return EdgeData(calibration=fake_samples(20)[0], evaluation=fake_samples(200))

    def test_train(self, edge_qat): ...


class TestNoLabels:
    @pytest.fixture
    def edge_data(self):
        x, y = fake_samples(50)
        return EdgeData(train=x, calibration=x[:20], evaluation=fake_samples(200))

    def test_labels(self, edge_qat): ...

    @pytest.mark.edge_recipe(Distill(alpha=1.0, epochs=1), PTQ())
    def test_alpha_one_needs_none(self, edge_artifact): ...


class TestNoStudent:
    @pytest.fixture
    def edge_student(self):
        from pytest_edgegate.session.given import Missing

        return Missing("edge_student")

    def test_student(self, edge_distilled): ...


@pytest.mark.student(classes=5)
def test_other_classes(edge_distilled): ...


@pytest.mark.model(diverges=3)
def test_diverges(edge_qat): ...


class TestTrainingOfAnotherKind:
    @pytest.fixture
    def edge_training(self):
        return {"lr": 1}

    def test_kind(self, edge_qat): ...


class TestOwnLossWithoutVersion:
    @pytest.fixture
    def edge_training(self):
        return EdgeTraining(loss=lambda outputs, labels: 0)

    def test_version(self, edge_qat): ...


class TestAugmentOfOtherShapes:
    @pytest.fixture
    def edge_training(self):
        return EdgeTraining(augment=lambda x, rng: x[:, :1], version="1")

    def test_shapes(self, edge_qat): ...


@pytest.mark.model(dtype="int8")
@pytest.mark.edge_recipe(QAT())
def test_finished(edge_artifact): ...
"""


FILES = """
import pytest

pytest_plugins = ["pytest_edgegate.testing.fakes"]


@pytest.fixture(scope="session")
def edge_model():
    return fake_model(Path("m.fake"))


@pytest.fixture(scope="session")
def edge_data():
    return fake_data()
"""


def built(folder: Path) -> list[str]:
    """The steps that were built since this was asked last, sorted; plain exports left out."""
    path = folder / "built.txt"
    found = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return [each for each in found if each != "NoneType"]


def test_every_recipe_makes_its_artifact(play: Any, inner_conftest: str) -> None:
    files = {"conftest.py": inner_conftest + MORE, "test_it.py": RECIPES}
    ran = play(files, "--edge-target=fake-board")
    assert set(ran.tests.values()) == {"."}, ran.everything
    made = {name: built_of(ran, f"test_{name}") for name in ("qat", "pruned", "distilled")}
    assert made["distilled"]["recipe"] == ["Distill(temperature=4.0)", "QAT(epochs=2)"]
    assert made["distilled"]["steps"]["QAT(epochs=2)"]["samples"] == 200
    assert list(made["pruned"]["steps"]) == ["Prune(amount=0.3)"]
    size = ran.verdicts("test_all_of_it")["size"]
    assert (size["outcome"], size["measured"]["value"]) == ("pass", 250)


def built_of(ran: Any, test: str) -> Any:
    (verdict,) = ran.verdicts(test).values()
    return verdict["artifact"]


def test_only_the_step_that_changed_is_done_again(again: Any, inner_conftest: str) -> None:
    files = {"conftest.py": inner_conftest + MORE}
    for last, wanted in (
        ("epochs=1", ["Prune", "QAT"]),
        ("epochs=1", []),
        ("epochs=2", ["QAT"]),
        ("epochs=2, lr=1e-4", ["QAT"]),
    ):
        steps = STEPS.format(last=last)
        ran = again({**files, "test_it.py": steps}, "--edge-target=fake-board")
        assert ran.status == 0, ran.everything
        assert built(ran.folder) == wanted, last


@pytest.mark.parametrize(
    ("settings", "anew"),
    [
        ("EdgeTraining()", False),
        ("EdgeTraining(seed=1)", True),
        ("EdgeTraining(batch_size=32)", True),
        ("EdgeTraining(optimizer='sgd')", True),
        ("EdgeTraining(augment=lambda x, rng: x, version='1')", True),
    ],
)
def test_what_is_said_of_training_is_in_the_key(
    again: Any, inner_conftest: str, settings: str, anew: bool
) -> None:
    steps = STEPS.format(last="epochs=1")
    given = f"""

@pytest.fixture
def edge_training():
    return {settings}
"""
    for conftest, wanted in ((MORE, ["Prune", "QAT"]), (MORE + given, ["Prune", "QAT"] * anew)):
        files = {"conftest.py": inner_conftest + conftest, "test_it.py": steps}
        ran = again(files, "--edge-target=fake-board")
        assert ran.status == 0, ran.everything
        assert built(ran.folder) == wanted


def test_another_teacher_is_another_student(again: Any, inner_conftest: str) -> None:
    test = """
import pytest


@pytest.mark.model(wrong={wrong})
def test_distilled(edge_distilled): ...
"""
    for wrong, wanted in (([], ["Distill", "QAT"]), ([], []), ([1], ["Distill", "QAT"])):
        files = {"conftest.py": inner_conftest + MORE, "test_it.py": test.format(wrong=wrong)}
        ran = again(files, "--edge-target=fake-board")
        assert ran.status == 0, ran.everything
        assert built(ran.folder) == wanted


def test_two_workers_train_once(again: Any, inner_conftest: str) -> None:
    test = """
def test_one(edge_qat): ...
def test_two(edge_qat): ...
def test_three(edge_qat): ...
def test_four(edge_qat): ...
"""
    files = {"conftest.py": inner_conftest + MORE, "test_it.py": test}
    ran = again(files, "--edge-target=fake-board")
    assert ran.status == 0, ran.everything
    assert built(ran.folder) == ["QAT"]


@pytest.fixture
def faults(play: Any, inner_conftest: str) -> Any:
    files = {"conftest.py": inner_conftest + MORE, "test_it.py": FAULTS}
    return play(files, "--edge-target=fake-board")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("test_train", ["no train split", "EdgeData(train=(x_train, y_train)"]),
        ("test_labels", ["edge_data.train has no labels", "EdgeData(train=(x_train, y_train)"]),
        ("test_student", ["no fixture edge_student", "def edge_student():"]),
        ("test_other_classes", ["the student gives 5 classes", "its teacher 10", "edge_student"]),
        ("test_diverges", ["diverged", "nan at step 1 of epoch 2", "lr=1e-05", "QAT(lr=1e-06)"]),
        ("test_kind", ["edge_training is a dict", "EdgeTraining("]),
        ("test_version", ["EdgeTraining(loss=...)", 'version="1"']),
        ("test_shapes", ["augment", "other shapes"]),
        ("test_finished", ["finished int8 file", "QAT(epochs=2)"]),
    ],
)
def test_what_a_training_lacks_is_told(faults: Any, test: str, words: list[str]) -> None:
    assert faults.letter(test) == "E", faults.everything
    faults.assert_fault(faults.text(test), *words)


def test_without_its_labels_a_student_learns_from_its_teacher_alone(faults: Any) -> None:
    assert faults.letter("test_alpha_one_needs_none") == ".", faults.everything


def test_what_diverged_is_not_kept(faults: Any) -> None:
    scratch = faults.folder / ".edgegate_cache" / "scratch"
    assert not list(scratch.glob("*"))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("QAT(), Prune()", ["makes no sense", "write it as Prune(amount=0.3), QAT(epochs=2)"]),
        ("PTQ(), Distill()", ["write it as Distill(temperature=4.0), PTQ(samples=200)"]),
        ("Prune(1.5)", ["Prune(amount=1.5)", "between 0 and 1"]),
        ("Prune(0)", ["Prune(amount=0)", "between 0 and 1"]),
        ("QAT(0)", ["QAT(epochs=0)", "whole number from 1"]),
        ("Prune(importance='l9')", ["unknown importance 'l9'", "l1"]),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused_when_it_is_read(
    play: Any, recipe: str, words: list[str]
) -> None:
    test = f"""
import pytest
from pytest_edgegate import PTQ, QAT, Distill, Prune


@pytest.mark.edge_recipe({recipe})
def test_it(edge_artifact): ...
"""
    ran = play({"test_it.py": test}, "--edge-target=fake-board")
    assert ran.status in (1, 2), ran.everything
    (text,) = ran.collection.values()
    for word in words:
        assert word in text


PLUGINS = ("-p", "edgegate", "-p", "xdist", "-p", "no:cacheprovider")
PYTEST = (sys.executable, "-m", "pytest", *PLUGINS, "--edge-target=fake-board")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""No other installed plugin: each process of a run would import all of them."""


def run_until_it_trains(folder: Path, pipe: Path, *arguments: str) -> subprocess.Popen[str]:
    """A run of pytest that is in the middle of a training, in a process group of its own."""
    os.mkfifo(pipe)
    os.mkfifo(f"{pipe}-never")
    running = subprocess.Popen(
        [*PYTEST, *arguments],
        cwd=folder,
        env={**os.environ, **ALONE, "STOP_AT": str(pipe)},
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # opened for both ends, so that a run that never gets there is told instead of waited for
    with os.fdopen(os.open(pipe, os.O_RDWR), "rb", buffering=0) as opened:
        if not select.select([opened], [], [], 120)[0]:
            os.killpg(running.pid, signal.SIGKILL)
            pytest.fail(f"the run did not train:\n{running.communicate()[0]}")
        assert opened.read(8) == b"training"
    return running


@pytest.fixture
def training_project(pytester: pytest.Pytester) -> Path:
    """No tmp_path in it: pytest 9.2's own end fails where Ctrl-C meets one in a test's setup."""
    files = {
        "conftest.py": FILES + MORE,
        "pytest.ini": "[pytest]\n",
        "test_it.py": "def test_qat(edge_qat): ...\n",
    }
    for name, text in files.items():
        (pytester.path / name).write_text(text)
    return pytester.path


def run_again(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTEST, "--edge-report-json=report.json"],
        cwd=folder,
        env={**os.environ, **ALONE},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ((), "QAT(epochs=2) on m was interrupted: nothing of it is kept"),
        (("-n", "2"), "KeyboardInterrupt"),  # pytest-xdist drops what a worker says of its end
    ],
    ids=["n0", "n2"],
)
def test_ctrl_c_says_what_it_ended_and_keeps_nothing(
    training_project: Path, workers: tuple[str, ...], said: str
) -> None:
    running = run_until_it_trains(training_project, training_project / "pipe", *workers)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal sends it, to the workers too
    output, _ = running.communicate()
    assert running.returncode == 2, output
    assert said in output
    assert not list((training_project / ".edgegate_cache" / "scratch").glob("*"))
    after = run_again(training_project)
    assert after.returncode == 0, after.stdout
    assert "interrupted while it built" not in after.stdout


def test_a_killed_training_is_told_and_starts_again(training_project: Path) -> None:
    running = run_until_it_trains(training_project, training_project / "pipe")
    running.kill()
    running.communicate()
    after = run_again(training_project)
    assert after.returncode == 0, after.stdout
    assert "an earlier run was interrupted while it built a cache entry" in after.stdout
    report = json.loads((training_project / "report.json").read_text())
    assert report["verdicts"][0]["artifact"]["cached"] is False
    assert not list((training_project / ".edgegate_cache" / "scratch").glob("*"))
