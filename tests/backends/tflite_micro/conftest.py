"""Files that LiteRT-Micro runs, refuses, and does not survive."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack

DIGITS = Path(__file__).parents[3] / "example_project" / "models" / "digits_uint8.tflite"
needs_micro = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="needs LiteRT-Micro: pip install 'pytest-edgegate[micro]'",
)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A network of the example, in integers from end to end."""
    given = tmp_path / "given"
    given.mkdir()
    return Path(shutil.copy(DIGITS, given / "digits.tflite"))


@pytest.fixture
def crashing(digits: Path) -> Path:
    """A file whose weights are said to be larger than they are: the interpreter reads on behind
    them until the system ends its process."""
    model, kinds = unpack(digits), import_schema().BuiltinOperator
    [graph] = model.subgraphs
    for each in graph.operators:
        if model.operatorCodes[each.opcodeIndex].builtinCode == kinds.FULLY_CONNECTED:
            graph.tensors[each.inputs[1]].shape = [10, 200_000_000]
    path = digits.with_name("crashing.tflite")
    path.write_bytes(pack(model))
    return path


@pytest.fixture
def lacking(from_function: Callable[..., Path], tf: Any) -> Path:
    """A file with two operators that the interpreter lacks, among others."""

    def network(x: Any) -> Any:
        best, _ = tf.math.top_k(tf.reverse(x, [1]), k=3)
        return best + tf.math.sign(best) * tf.math.abs(best)

    return from_function(network, (1, 8))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made
