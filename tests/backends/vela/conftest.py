"""Files that Vela maps as a whole, in part and not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.vela.tool import TOOL
from pytest_edgegate.core.target import Target
from pytest_edgegate.targets.folder import built_in

DIGITS = Path(__file__).parents[3] / "example_project" / "models" / "digits_uint8.tflite"
needs_vela = pytest.mark.skipif(
    TOOL.version() is None, reason="needs Vela: pip install 'pytest-edgegate[vela]'"
)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A network of the example, in integers from end to end."""
    given = tmp_path / "given"
    given.mkdir()
    return Path(shutil.copy(DIGITS, given / "digits.tflite"))


@pytest.fixture
def u55() -> Target:
    return built_in()["ethos-u55-128"]


@pytest.fixture(scope="session")
def partly(tf: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in int8 with a cumulative sum, which no Ethos-U has: it is computed in float."""
    draws = np.random.default_rng(0)
    weights = tf.constant(draws.normal(size=(3, 3, 2, 4)).astype(np.float32))

    def network(x: Any) -> Any:
        before = tf.nn.relu(tf.nn.conv2d(x, weights, 1, "SAME"))
        return tf.nn.max_pool2d(tf.math.cumsum(before, axis=1), 2, 2, "VALID")

    path = tmp_path_factory.mktemp("partly") / "partly.tflite"
    with held_native_output():
        concrete = tf.function(network).get_concrete_function(
            tf.TensorSpec((1, 8, 8, 2), tf.float32)
        )
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _samples
        converter.inference_input_type = converter.inference_output_type = tf.int8
        path.write_bytes(converter.convert())
    return path


def _samples() -> Any:
    draws = np.random.default_rng(1)
    return ([draws.normal(size=(1, 8, 8, 2)).astype(np.float32)] for _ in range(10))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture
def mock_vela(tmp_path: Path) -> Callable[[str], list[str]]:
    """A command that does what a program says in Vela's place, after ``options = sys.argv``."""

    def make(program: str) -> list[str]:
        import sys

        path = tmp_path / "mock_vela.py"
        path.write_text(f"import os, signal, sys, time\nfrom pathlib import Path\n{program}\n")
        return [sys.executable, str(path)]

    return make
