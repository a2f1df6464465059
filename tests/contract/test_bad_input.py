"""Bad input: our own message, before any work where possible, nothing already made lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MORE = """

import os
from pathlib import Path

import numpy as np

from pytest_edgegate import EdgeData
from pytest_edgegate.core.errors import BackendUnavailableError
from pytest_edgegate.testing.fakes import FakeTransform, fake_samples


class Counting(FakeTransform):
    def apply(self, model, step, target, data, out):
        with open("built.txt", "a") as opened:
            opened.write(f"{model.path.name} {step}\\n")
        if model.content.get("backend"):
            raise BackendUnavailableError("a-package", "this conversion", "keras")
        made = super().apply(model, step, target, data, out)
        if (pipe := os.environ.get("STOP_AT")) and step is not None:
            with open(pipe, "w") as opened:
                opened.write("building")
            with open(f"{pipe}-never") as opened:
                opened.read()
        return made


def pytest_edgegate_register(registry):
    registry.add("transform", "fake", Counting())


class Reordered:
    def __init__(self):
        self.passes = 0

    def __iter__(self):
        x, y = fake_samples(200)
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(200)
        yield x[order], y[order]


def batches(count):
    x, y = fake_samples(count)
    return [(x[at:at + 50], y[at:at + 50]) for at in range(0, count, 50)]


x, y = fake_samples(200)
calibration = fake_samples(20, start=10_000)[0]
bad = calibration.copy()
bad[7, 0] = np.nan
holed = x.copy()
holed[3, 0] = np.inf
DATA = {
    "shape": lambda: (x[:, :, None], y),
    "inputs": lambda: ((x, x), y),
    "dtype": lambda: (x.astype(str), y),
    "objects": lambda: (x.astype(object), y),
    "infinite": lambda: (holed, y),
    "labels_out": lambda: (x, y + 1),
    "labels_negative": lambda: (x, y - 1),
    "labels_shape": lambda: (x, np.zeros((200, 3))),
    "labels_fractions": lambda: (x, y + 0.5),
    "labels_missing": lambda: x,
    "labels_fewer": lambda: (x, y[:-1]),
    "labels_text": lambda: (x, y.astype(str)),
    "empty": lambda: (x[:0], y[:0]),
    "empty_stream": lambda: [],
    "iterator": lambda: iter(batches(200)),
    "reordered": Reordered,
    "number": lambda: 3,
    "text": lambda: "eval.npz",
    "stream": lambda: batches(200),
    "sound": lambda: (x, y),
    "none": lambda: None,
}


@pytest.fixture
def edge_data(request):
    mark = request.node.get_closest_marker("evaluation")
    kind = "sound" if mark is None else mark.args[0]
    if kind == "no_data":
        return (x, y)
    if kind == "no_calibration":
        return EdgeData(evaluation=(x, y))
    if kind == "bad_calibration":
        return EdgeData(calibration=bad, evaluation=(x, y))
    if kind == "shared_calibration":
        return EdgeData(calibration=np.concatenate([calibration, x[:7]]), evaluation=(x, y))
    if kind == "unnamed_stream":
        return EdgeData(calibration=calibration, evaluation=batches(200))
    return EdgeData(calibration=calibration, evaluation=DATA[kind](), version="1")


@pytest.fixture
def edge_model(request, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    mark = request.node.get_closest_marker("broken")
    model = request.node.get_closest_marker("model")
    path = fake_model(tmp_path / "m.fake", **({} if model is None else model.kwargs))
    kind = None if mark is None else mark.args[0]
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_text(path.read_text()[:45])
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 16)
    elif kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "keras":
        path = tmp_path / "m.keras"
        path.write_bytes(b"PK\\x03\\x04" + bytes(100))
    elif kind == "h5":
        path = tmp_path / "m.h5"
        path.write_bytes(b"\\x89HDF\\r\\n\\x1a\\n" + bytes(100))
    elif kind == "pt":
        path = tmp_path / "m.pt"
        path.write_bytes(b"PK\\x03\\x04" + bytes(100))
    elif kind == "object":
        return object()
    return path
"""
INPUTS = {  # evaluation data: (words of the message, words of the remedy)
    "shape": ("samples of shape (2, 1) do not fit the input 'x' of shape (2,)", "shape"),
    "inputs": ("gives 2 inputs, the model takes 1", "give x"),
    "dtype": ("not a number", "astype"),
    "objects": ("not a number", "astype"),
    "infinite": ("holds NaN or Inf for the input 'x'", "fix or drop"),
    "labels_out": ("labels go from 1 to 10, but the model has 10 classes", "check the labels"),
    "labels_negative": ("labels go from -1 to 8", "check the labels"),
    "labels_shape": ("labels of shape (200, 3) do not fit outputs of shape (200, 10)", "one-hot"),
    "labels_fractions": ("labels are fractions", "whole numbers"),
    "labels_missing": ("has no labels", "give a pair"),
    "labels_fewer": ("labels of shape (199,) differ in their length", "every sample its label"),
    "labels_text": ("not a number", "astype"),
    "empty": ("is empty", "at least one sample"),
    "empty_stream": ("gave no samples", "at least one batch"),
    "iterator": ("can be read only once", "iterated again"),
    "reordered": ("gave different samples, or a different order, on its second pass", "shuffling"),
    "unnamed_stream": ("is a stream", "version="),
    "number": ("which is not a split", "a split is"),
    "text": ("which is not a split", "a split is"),
    "none": ("has no evaluation split", "EdgeData("),
    "no_data": ("edge_data is a tuple, not an EdgeData", "EdgeData("),
    "no_calibration": ("neither calibration nor train samples", "calibration="),
    "bad_calibration": ("1 of 20 calibration samples hold NaN or Inf", "fix or drop"),
}
BEFORE = {
    "no_data",
    "no_calibration",
    "bad_calibration",
    "empty",
    "iterator",
    "unnamed_stream",
    "number",
    "text",
    "labels_fewer",
    "dtype",
    "objects",
    "labels_text",
}
"""Seen without a build; the others need the artifact, which is not lost by them."""
BROKEN = {
    "empty": "is empty",
    "truncated": "m.fake",
    "noise": "m.fake is no model that an installed backend knows",
    "missing": "m.fake does not exist",
    "folder": "m.fake",
    "keras": "m.keras",
    "h5": "m.h5 is a keras model",
    "pt": "m.pt",
    "object": "edge_model is a builtins.object",
}
STEPS = {
    "PTQ(20), Prune()": "write it as Prune(amount=0.3), PTQ(samples=20)",
    "PTQ(), QAT()": "keep one of the steps",
    "Prune(), Distill()": "write it as Distill(temperature=4.0), Prune(amount=0.3)",
    "Prune(), PTQ": "write PTQ() with brackets",
    "PTQ": "write PTQ() with brackets",
    "3": "recipe steps are",
    "PTQ(), 'fake-board'": 'write edge_recipe("coral", PTQ())',
    "": "write edge_recipe(PTQ())",
    "PTQ(0)": "whole number from 1",
    "Prune(1.5)": "between 0 and 1",
    "Cast('int8')": "PTQ() for int8",
    "'PTQ'": "write edge_recipe(PTQ())",
}
NAMES = {
    "budget(accuracy_drp=0.1)": "unknown budget 'accuracy_drp', did you mean 'accuracy_drop'?",
    "budget(latency_95='1 ms')": "did you mean 'latency_p95'?",
    "budget('fake-bord', size=1)": "unknown target 'fake-bord', did you mean 'fake-board'?",
    "budget(size='120 kBs')": "did you mean 'kB'?",
    "budget(latency_p95='6 mss')": "did you mean 'ms'?",
    "recipe(pytest_edgegate.PTQQ())": "did you mean 'PTQ'?",
}


def _files() -> dict[str, str]:
    data = "import pytest\n\n\n" + "".join(
        f"@pytest.mark.evaluation({kind!r})\n@pytest.mark.model(marked={kind!r})\n"
        f"@pytest.mark.edge_budget(accuracy_drop=0.01)\ndef test_data_{kind}(edge_ptq): ...\n\n\n"
        for kind in [*INPUTS, "stream", "shared_calibration"]
    )
    broken = "import pytest\n\n\n" + "".join(
        f"@pytest.mark.broken({kind!r})\n@pytest.mark.edge_budget(accuracy_drop=0.01)\n"
        f"def test_model_{kind}(edge_ptq): ...\n\n\n"
        for kind in BROKEN
    )
    return {
        "test_data.py": data,
        "test_model.py": broken,
        "test_backend.py": """
import pytest

from pytest_edgegate import PTQ, Cast, Prune


@pytest.mark.model(backend=True)
def test_backend(edge_ptq): ...


@pytest.mark.edge_recipe(Cast())
def test_impossible_here(edge_artifact): ...


def test_impossible_by_hand(edge_compress):
    edge_compress(Prune(), Cast())


def test_order_by_hand(edge_compress):
    edge_compress(PTQ(), Prune())


@pytest.mark.model(dtype="int8")
def test_finished_file(edge_ptq): ...
""",
        "missing/test_missing.py": """
import pytest


def test_no_model(edge_ptq): ...


@pytest.fixture(scope="module")
def edge_model():
    from pytest_edgegate.session.given import Missing

    return Missing("edge_model")
""",
    }


FILES = _files()


@pytest.fixture
def conftest(inner_conftest: str) -> str:
    marks = "".join(
        f'    config.addinivalue_line("markers", "{name}(kind): which")\n'
        for name in ("evaluation", "broken")
    )
    at = inner_conftest.index('    config.addinivalue_line("markers", "samples(')
    return inner_conftest[:at] + marks + inner_conftest[at:] + MORE


@pytest.fixture
def bad(play: Any, conftest: str) -> Any:
    return play(bad_files(conftest), "--edge-target=fake-board")


def bad_files(conftest: str) -> dict[str, str]:
    files = {name: text for name, text in FILES.items() if not name.startswith("missing")}
    return {**files, "conftest.py": conftest}


@pytest.mark.parametrize("kind", INPUTS)
def test_data_that_does_not_fit(bad: Any, kind: str) -> None:
    message, remedy = INPUTS[kind]
    assert bad.letter(f"test_data_{kind}") in "EF"
    text = bad.text(f"test_data_{kind}")
    bad.assert_fault(text, message, remedy)
    assert "accuracy_drop" not in bad.verdicts(f"test_data_{kind}")


def test_two_workers_find_the_same(same_with_workers: Any, conftest: str) -> None:
    same_with_workers(bad_files(conftest), "--edge-target=fake-board")


def test_a_stream_is_taken(bad: Any) -> None:
    assert bad.letter("test_data_stream") == "."
    assert bad.verdicts("test_data_stream")["accuracy_drop"]["measured"]["n"] == 200


def test_calibration_samples_that_are_evaluated_are_a_warning(bad: Any) -> None:
    assert bad.letter("test_data_shared_calibration") == "."
    told = "7 calibration samples are evaluation samples too"
    assert f"EdgeGateWarning: {told}" in bad.output
    assert told in bad.verdicts("test_data_shared_calibration")["accuracy_drop"]["reason"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_model_that_cannot_be_read(bad: Any, kind: str) -> None:
    assert bad.letter(f"test_model_{kind}") == "E"
    bad.assert_fault(bad.text(f"test_model_{kind}"), BROKEN[kind])
    assert bad.verdicts(f"test_model_{kind}") == {}


def test_a_missing_backend_gives_the_pip_line(bad: Any) -> None:
    text = bad.text("test_backend")
    bad.assert_fault(text, "a-package, which is not installed")
    assert text.splitlines()[-1] == "pip install 'pytest-edgegate[keras]'"


@pytest.mark.parametrize(
    ("name", "letter", "words"),
    [
        ("impossible_here", "E", "Cast"),
        ("impossible_by_hand", "F", "Cast"),
        ("order_by_hand", "F", "write it as Prune"),
        ("finished_file", "E", "edge_gate.check("),
    ],
)
def test_what_nothing_can_do_is_refused_before_any_work(
    bad: Any, name: str, letter: str, words: str
) -> None:
    assert bad.letter(f"test_{name}") == letter
    bad.assert_fault(bad.text(f"test_{name}"), words)


def test_nothing_of_the_run_shows_our_lines(bad: Any) -> None:
    for seen in bad.seen["tests"].values():
        assert "pytest_edgegate/" not in seen["text"]
    assert "INTERNALERROR" not in bad.everything


@pytest.mark.parametrize("kind", sorted(BEFORE))
def test_bad_data_is_told_before_anything_is_built(play: Any, conftest: str, kind: str) -> None:
    """What is built is told by the name of the model, which is that of the test."""
    tests = "import pytest\n\n\n" + "".join(
        f"@pytest.mark.evaluation({each!r})\n@pytest.mark.model(marked={each!r})\n"
        f"@pytest.mark.edge_budget(accuracy_drop=0.01)\ndef test_data_{each}(edge_ptq): ...\n\n\n"
        for each in sorted(BEFORE)
    )
    named = conftest.replace(
        'fake_model(tmp_path / "m.fake",',
        'fake_model(tmp_path / f"{request.node.originalname}.fake",',
    )
    ran = play({"test_before.py": tests, "conftest.py": named}, "--edge-target=fake-board")
    assert ran.letter(f"test_data_{kind}") == "E"
    built = ran.folder / "built.txt"
    finished = (ran.folder / ".edgegate_cache").rglob("entry.json")
    made = [json.loads(each.read_text())["info"].get("model") for each in finished]
    assert f"test_data_{kind}" not in made
    if kind != "bad_calibration":  # drawn by the transform itself
        assert f"test_data_{kind}.fake" not in (built.read_text() if built.exists() else "")


MISTAKES = {
    f"test_{at}.py": f"import pytest\nimport pytest_edgegate\n"
    f"from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune\n"
    f"@pytest.mark.edge_{written}\ndef test_{at}(edge_artifact): ...\n"
    for at, written in enumerate([*(f"recipe({each})" for each in STEPS), *NAMES])
}


@pytest.mark.parametrize(
    ("at", "words"),
    list(enumerate([*STEPS.values(), *NAMES.values()])),
    ids=[*STEPS, *NAMES],
)
def test_a_mistake_in_what_was_written(play: Any, at: int, words: str) -> None:
    ran = play(MISTAKES, "--edge-target=fake-board")
    assert ran.status == 2
    ran.assert_fault(ran.collection[f"test_{at}.py"], words)


@pytest.mark.parametrize("fixture", ["edge_model", "edge_data"])
def test_a_missing_fixture_shows_the_lines_to_paste(
    play: Any, inner_conftest: str, fixture: str
) -> None:
    other = "edge_data" if fixture == "edge_model" else "edge_model"
    start, end = inner_conftest.index(f"def {fixture}"), len(inner_conftest)
    if fixture == "edge_model":
        end = inner_conftest.index(f"@pytest.fixture\ndef {other}")
    without = inner_conftest[:start].rstrip().removesuffix("@pytest.fixture")
    without += "\n\n" + inner_conftest[end:]
    tests = """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_gated(edge_ptq): ...


@pytest.mark.edge_budget(size=5000)
def test_file(edge_gate, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    edge_gate.check(fake_model(tmp_path / "own.fake", dtype="int8"))


def test_file_with_accuracy(edge_gate, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    edge_gate.check(fake_model(tmp_path / "own.fake", dtype="int8"), accuracy_drop=0.01)
"""
    ran = play({"test_missing.py": tests, "conftest.py": without}, "--edge-target=fake-board")
    assert ran.letter("test_gated") == "E"
    assert ran.letter("test_file_with_accuracy") == "F"
    for name in ("test_gated", "test_file_with_accuracy"):
        ran.assert_fault(
            ran.text(name),
            f"there is no fixture {fixture}",
            "paste this into conftest.py",
            '@pytest.fixture(scope="session")',
            f"def {fixture}():",
        )
    assert ran.letter("test_file") == "."  # a file with a size needs neither


GATED = {
    "test_gated.py": """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.01, size=1000)
def test_gated(edge_ptq): ...


@pytest.mark.edge_budget(size=1000)
def test_again(edge_ptq): ...


@pytest.mark.edge_budget(parameters=20)
def test_third(edge_ptq): ...
""",
    "m.fake": json.dumps({"format": "edgegate-fake", "dtype": "float32", "bytes": 4000}),
}
ONE_MODEL = """

@pytest.fixture(scope="session")
def edge_model():
    return "m.fake"
"""


@pytest.fixture
def gated(conftest: str) -> dict[str, str]:
    return {**GATED, "conftest.py": conftest + ONE_MODEL}


def _built(folder: Path) -> int:
    path = folder / "built.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def _entries(folder: Path) -> list[Path]:
    """The manifests of the artifacts, without those of predictions and of what is being written."""
    cache = folder / ".edgegate_cache"
    found = sorted(set(cache.rglob("entry.json")) - set((cache / "scratch").rglob("entry.json")))
    return [each for each in found if "main" in json.loads(each.read_text())["info"]]


@pytest.mark.workers
def test_several_workers_build_an_artifact_once(again: Any, gated: dict[str, str]) -> None:
    """In a cache that the ini names."""
    ran = again(gated, "--edge-target=fake-board", ini="edge_cache = kept/here")
    assert ran.status == 0
    assert _built(ran.folder) == 1
    assert not (ran.folder / ".edgegate_cache").exists()
    assert (ran.folder / "kept" / "here" / ".gitignore").read_text().endswith("*\n")
    warm = again(gated, "--edge-target=fake-board", ini="edge_cache = kept/here")
    assert warm.status == 0
    assert _built(ran.folder) == 1
    assert all(each["artifact"]["cached"] for each in warm.report["verdicts"])


def _changed(manifest: Path, artifact: Path) -> None:
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"?")


def _missing(manifest: Path, artifact: Path) -> None:
    artifact.unlink()


def _other_manifest(manifest: Path, artifact: Path) -> None:
    manifest.write_text(manifest.read_text().replace('"main"', '"mine"'))


def _empty_manifest(manifest: Path, artifact: Path) -> None:
    manifest.write_text("")


DAMAGES = (_changed, _missing, _other_manifest, _empty_manifest)
FOUR_RECIPES = {
    "test_gated.py": """
import pytest

from pytest_edgegate import PTQ
"""
    + "".join(
        f"""

@pytest.mark.edge_recipe(PTQ({at + 1}))
@pytest.mark.edge_budget(size=1000)
def test_{at}(edge_artifact): ...
"""
        for at in range(len(DAMAGES))
    )
}


def test_damaged_cache_entries_are_told_and_made_anew(again: Any, gated: dict[str, str]) -> None:
    files = {**gated, **FOUR_RECIPES}
    cold = again(files, "--edge-target=fake-board")
    entries = _entries(cold.folder)
    assert len(entries) == _built(cold.folder) == len(DAMAGES)
    sound = {}
    for damage, manifest in zip(DAMAGES, entries, strict=True):
        artifact = manifest.parent / json.loads(manifest.read_text())["info"]["main"]
        sound[artifact] = artifact.read_bytes()
        damage(manifest, artifact)
    ran = again(files, "--edge-target=fake-board")
    assert ran.status == 0
    for manifest in entries:
        assert f"EdgeGateWarning: the cache entry {manifest.parent} is damaged" in ran.output
    assert _built(ran.folder) == 2 * len(DAMAGES)
    assert {path: path.read_bytes() for path in sound} == sound
    calm = again(files, "--edge-target=fake-board")
    assert "is damaged" not in calm.output
    assert _built(ran.folder) == 2 * len(DAMAGES)


def test_a_cache_that_cannot_be_written_is_told_before_any_work(
    again: Any, gated: dict[str, str]
) -> None:
    ran = again(
        {**gated, "taken": "a file stands where the folder should be"},
        "--edge-target=fake-board",
        "--edge-cache=taken/below",
    )
    assert ran.status == 1
    assert ran.letter("test_gated") == "E"
    ran.assert_fault(ran.text("test_gated"), "the cache", "can't be written", "--edge-cache=FOLDER")
    assert _built(ran.folder) == 0
    assert (ran.folder / "taken").read_text() == "a file stands where the folder should be"


@pytest.mark.workers
def test_a_cache_that_everyone_can_write_to_is_told_once(
    again: Any, gated: dict[str, str], tmp_path: Path, mode: str
) -> None:
    """By the controller; as an error where warnings are, which loses no verdict."""
    cache = tmp_path / ".edgegate_cache"
    cache.mkdir()
    cache.chmod(0o777)
    strict = ["-Werror::UserWarning"] if mode == "n0" else []
    ran = again(gated, "--edge-target=fake-board", *strict)
    assert ran.everything.count(f"the cache {cache} can be written to by everyone") == 1
    assert ran.status == (4 if strict else 0)
    assert "7 verdicts, 0 red" in ran.output


def test_a_full_disk_is_told_and_leaves_nothing_half_done(
    again: Any, gated: dict[str, str]
) -> None:
    full = """

import errno


class Full(Counting):
    def apply(self, model, step, target, data, out):
        (out / "half").write_text("half a file")
        raise OSError(errno.ENOSPC, "No space left on device")


def pytest_edgegate_register(registry):
    registry.add("transform", "fake", Full())
"""
    ran = again({**gated, "conftest.py": gated["conftest.py"] + full}, "--edge-target=fake-board")
    assert ran.letter("test_gated") == "E"
    ran.assert_fault(ran.text("test_gated"), "No space left on device", "free some space")
    left = list((ran.folder / ".edgegate_cache").rglob("half"))
    assert left == []


@pytest.mark.workers
def test_a_killed_run_leaves_nothing_that_looks_finished(
    again: Any,
    gated: dict[str, str],
    tmp_path: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in gated.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    os.mkfifo(f"{pipe}-never")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    running = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "edgegate",
            "-p",
            "xdist",
            "-p",
            "no:cacheprovider",
            "-n",
            mode[1:],
            "--edge-target=fake-board",
        ],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "STOP_AT": str(pipe)},
    )
    try:
        assert pipe.read_text() == "building"  # opens when the transform does: no waiting by time
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert _entries(tmp_path) == []
    assert list(temporary.glob("edgegate-*/*"))  # the copy of its model
    ran = again(gated, "--edge-target=fake-board")
    assert ran.status == 0
    assert not list(temporary.glob("edgegate-*"))
    assert len(_entries(ran.folder)) == 1
    assert not list((ran.folder / ".edgegate_cache" / "scratch").iterdir())
    assert ran.verdicts("test_gated")["accuracy_drop"]["outcome"] == "pass"


NPZ: dict[str, tuple[dict[str, Any], str]] = {
    "missing y": ({"x": [[1, 1], [2, 2]]}, "has no array 'y'"),
    "one sample": ({"x": [[1, 1]], "y": [1]}, "can't be split"),
    "fewer labels": ({"x": [[1, 1], [2, 2]], "y": [1]}, "can't be split"),
}


@pytest.mark.parametrize("kind", [*NPZ, "noise", "empty"])
def test_an_npz_that_does_not_fit(
    again: Any, gated: dict[str, str], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "eval.npz"
    words = "can't be read as an .npz file"
    if kind in NPZ:
        arrays, words = NPZ[kind]
        np.savez(path, **{key: np.array(value, np.float32) for key, value in arrays.items()})
    else:
        path.write_bytes(b"" if kind == "empty" else b"PK\x03\x04" + bytes(50))
    ran = again(
        {name: gated[name] for name in ("conftest.py", "m.fake")},
        "--edge-target=fake-board",
        "--edge-model=m.fake",
        "--edge-data=eval.npz",
    )
    assert ran.status == 1
    assert ran.letter("m.fake") == "F"
    ran.assert_fault(ran.text("m.fake"), "eval.npz", words)
    assert _built(ran.folder) == 0
