"""Ids without a row in a table of the model, in the samples that an artifact is made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, EdgeData
from pytest_edgegate.backends.keras.tensorflow import import_keras
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

WORDS, HOURS, LENGTH, CLASSES = 40, 24, 6, 4
IDS = np.random.default_rng(0).integers(0, WORDS, (200, LENGTH)).astype(np.int32)
IDS[:, -1] %= HOURS
IDS[0, 0], IDS[1, 0] = 0, WORDS - 1
BOTH = (Budget("accuracy_drop", 0.01),)
SIZE = (Budget("size", 10**6),)


def of_keras(folder: Path) -> Any:
    """Words in one table, the hour in another one."""
    keras = import_keras()
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    words = keras.layers.Flatten()(keras.layers.Embedding(WORDS, 3)(ids[:, :-1]))
    hour = keras.layers.Flatten()(keras.layers.Embedding(HOURS, 2)(ids[:, -1:]))
    both = keras.layers.Concatenate()([words, hour])
    return keras.Model(ids, keras.layers.Dense(CLASSES)(both))


def of_litert(folder: Path) -> Any:
    from pytest_edgegate.backends.keras.tensorflow import import_tensorflow

    tf, keras = import_tensorflow(), import_keras()
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    words = keras.layers.Flatten()(keras.layers.Embedding(WORDS, 3)(ids))
    model = keras.Model(ids, keras.layers.Dense(CLASSES)(words))
    path = folder / "ids.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    return path


def of_torch(folder: Path) -> Any:
    torch = import_torch()
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Embedding(WORDS, 3),
        torch.nn.Flatten(),
        torch.nn.Linear(3 * LENGTH, CLASSES),
    ).eval()


def of_onnx(folder: Path) -> Any:
    import onnx

    table = np.random.default_rng(0).normal(size=(WORDS, 3)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(3 * LENGTH, CLASSES)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Gather", ["table", "ids"], ["rows"]),
            onnx.helper.make_node("Flatten", ["rows"], ["flat"]),
            onnx.helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "ids",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT32, ["n", LENGTH])],
        [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", CLASSES])],
        [
            onnx.numpy_helper.from_array(table, "table"),
            onnx.numpy_helper.from_array(weights, "weights"),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    path = folder / "ids.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@dataclass(frozen=True)
class Put:
    """Ids that are put into one place of a split; the same without any is healthy."""

    split: str
    id: int
    words: tuple[str, ...]
    model: Callable[[Path], Any] = of_keras
    place: int = 2
    budgets: tuple[Budget, ...] = BOTH
    recipe: Recipe = (PTQ(),)
    target: str = "onnx-cpu"


FAULTS = {
    "of keras": Put("calibration", 49, ("index 49", "the 40 rows", "ids from 0 to 49")),
    "below": Put("calibration", -1, ("index -1", "the 40 rows", "from -1 to 39"), of_torch),
    "in a smaller table": Put("calibration", 30, ("index 30", "the 24 rows"), place=5),
    "by size alone": Put("calibration", 49, ("the 40 rows",), budgets=SIZE),
    "of onnx": Put("calibration", 49, ("index 49", "the 40 rows", "0 to 49"), of_onnx),
    "of litert": Put(
        "calibration", 49, ("index 49", "the 40 rows"), of_litert, target="raspberry-pi"
    ),
    "of torch": Put("calibration", 49, ("index 49", "the 40 rows", "0 to 49"), of_torch),
    "of training": Put("train", 49, ("the 40 rows", "0 to 49"), of_torch, recipe=(QAT(),)),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSession]:
    folder = tmp_path_factory.mktemp("ids")
    made = EdgeSession(Settings(cache=folder / "cache", root=folder), Registry())
    yield made
    made.close()


def look(session: EdgeSession, given: Put, folder: Path, put: int) -> None:
    splits = {"calibration": IDS[:20].copy(), "train": IDS.copy()}
    splits[given.split][7, given.place] = put
    labels = np.random.default_rng(2).integers(0, CLASSES, len(IDS))
    data = EdgeData(
        calibration=splits["calibration"],
        train=(splits["train"], labels),
        evaluation=(IDS, labels),
        reference_check=False,
    )
    case = session.case(
        Given(given.model(folder), data), session.target(given.target), given.budgets
    )
    session.look_ahead(case, session.plan(case, given.recipe))


@pytest.mark.parametrize("name", FAULTS)
def test_ids_without_a_row_are_told_before_the_build(
    session: EdgeSession, tmp_path: Path, name: str
) -> None:
    given = FAULTS[name]
    with pytest.raises(ConfigurationError) as raised:
        look(session, given, tmp_path, given.id)
    assert raised.value.message.startswith(f"edge_data.{given.split}: ")
    for words in given.words:
        assert words in raised.value.message
    assert "vocabulary" in raised.value.remedy


@pytest.mark.parametrize("name", FAULTS)
def test_the_last_id_is_sound(session: EdgeSession, tmp_path: Path, name: str) -> None:
    given = FAULTS[name]
    look(session, given, tmp_path, (HOURS if given.place == LENGTH - 1 else WORDS) - 1)
