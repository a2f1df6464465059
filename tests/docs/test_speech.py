"""The word error rate of the page on own metrics, on a model that hears letters in noise."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_edgegate.testing.example import Example, Outcome

pytestmark = pytest.mark.usefixtures("no_other_plugins")

PAGE = (Path(__file__).parents[2] / "docs" / "own-metric.md").read_text("utf-8")
SECTION = PAGE.partition("## Speech")[2]
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", SECTION, re.M | re.S))
LETTERS = " abcdefghijklmnopqrstuvwxyz"
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "it",
    "is",
    "that",
    "was",
    "he",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "at",
    "be",
    "this",
]
FRAMES, FEATURES, LONGEST = 96, 24, 40
DATA = """
import numpy as np
import pytest

from pytest_edgegate import EdgeData

@pytest.fixture(scope="session")
def edge_model():
    return "speech.onnx"

@pytest.fixture(scope="session")
def edge_data():
    with np.load("speech.npz") as arrays:
        return EdgeData(
            calibration=arrays["x"][:100], evaluation=(arrays["x"][100:], arrays["y"][100:])
        )
"""
Floats = NDArray[np.float32]


def sounds() -> Floats:
    """How each class sounds: float32 of shape (28, features), each of length 1."""
    drawn = np.random.default_rng(7).normal(size=(len(LETTERS) + 1, FEATURES))
    return np.float32(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def frames_of(ids: list[int]) -> list[int]:
    """Two frames a letter, and a blank between equal ones."""
    found: list[int] = []
    for before, each in zip([0, *ids], ids, strict=False):
        found += [0, each, each] if before == each else [each, each]
    return (found + [0] * FRAMES)[:FRAMES]


def utterances(count: int) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """x of shape (n, frames, features), y of shape (n, letters), and what was said."""
    drawn = np.random.default_rng(0)
    texts = [
        " ".join(drawn.choice(WORDS, drawn.integers(2, 8)))[:LONGEST].strip() for _ in range(count)
    ]
    ids = [[LETTERS.index(each) + 1 for each in text] for text in texts]
    y = np.array([each + [0] * (LONGEST - len(each)) for each in ids])
    x = sounds()[np.array([frames_of(each) for each in ids])]
    return np.float32(x + drawn.normal(scale=0.17, size=x.shape)), y, texts


def write_model(path: Path) -> None:
    """Two matrices; together they give each class the likeness of its sound."""
    from onnx import TensorProto, helper, numpy_helper, save

    turned, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(FEATURES, FEATURES)))
    first, second = np.float32(turned), np.float32(turned.T @ (8 * sounds().T))
    shape = "n", FRAMES
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["turned"]),
            helper.make_node("MatMul", ["turned", "second"], ["scores"]),
        ],
        "speech",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*shape, FEATURES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [*shape, len(LETTERS) + 1])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def edits(said: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """Levenshtein's distance by its definition, as a reference."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        replaced = of(i - 1, j - 1) + (said[i - 1] != heard[j - 1])
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, replaced)

    return of(len(said), len(heard))


@pytest.fixture(scope="module")
def speech() -> ModuleType:
    module = ModuleType("speech")
    exec(FILES["speech.py"], vars(module))
    return module


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the bat sat", 1),
        ("the cat sat", "the sat", 1),
        ("the cat sat", "oh the cat has sat", 2),
        ("the cat sat", "", 3),
        ("", "the cat", 2),
    ],
)
def test_words_are_counted(speech: ModuleType, said: str, heard: str, errors: int) -> None:
    assert speech.word_errors(said.split(), heard.split()) == errors
    assert edits(tuple(said.split()), tuple(heard.split())) == errors


def test_repeats_are_merged_and_blanks_dropped(speech: ModuleType) -> None:
    path = [2, 2, 0, 2, 1, 3, 3, 0, 0]
    assert speech.heard(np.eye(28)[path]) == "aa b"


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("speech")
    x, y, _ = utterances(400)
    np.savez(folder / "speech.npz", x=x, y=y)
    write_model(folder / "speech.onnx")
    options = "--edge-target=onnx-cpu", "--edge-report-json=report.json"
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    ran = Example({"conftest.py": DATA, **FILES}).run_pytest(
        folder, *options, "-p", "no:xdist", env={"PYTHONPATH": path}
    )
    assert ran.status == 0, ran.output
    return ran


def test_the_gate_judges_the_word_error_rate_of_the_whole_set(gated: Outcome) -> None:
    """Of all errors over all words, though scores are of each utterance."""
    import onnxruntime

    x, _, texts = utterances(400)
    session = onnxruntime.InferenceSession(gated.folder / "speech.onnx")
    (scores,) = session.run(None, {"x": x[100:]})
    heard = [
        "".join(LETTERS[each - 1] for each in row[np.diff(row, prepend=-1) != 0] if each)
        for row in scores.argmax(axis=2)
    ]
    said = [tuple(each.split()) for each in texts[100:]]
    errors = sum(edits(a, tuple(b.split())) for a, b in zip(said, heard, strict=True))
    report: dict[str, Any] = json.loads((gated.folder / "report.json").read_text("utf-8"))
    (verdict,) = (
        each for each in report["verdicts"] if each["budget"]["metric"] == "accuracy_drop"
    )
    measured = verdict["measured"]
    expected = errors / sum(map(len, said))
    assert 0.01 < expected < 0.3
    assert measured["reference_value"] == pytest.approx(expected, rel=1e-6)
    assert measured["low"] <= measured["value"] <= measured["high"]
    assert measured["value"] == pytest.approx(
        measured["artifact_value"] - measured["reference_value"], abs=1e-6
    )
