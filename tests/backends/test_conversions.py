"""Remedies about a third-party file use the words of its format's converter."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_edgegate.core.description import Conversion
from pytest_edgegate.registry import Registry

SEEDS = Path(__file__).parents[1] / "fuzz" / "seeds"


@pytest.mark.parametrize(
    ("form", "file", "words"),
    [
        ("litert", "tflite/float.tflite", "tf.lite.OpsSet.TFLITE_BUILTINS_INT8"),
        ("onnx", "onnx/small.onnx", "onnxruntime.quantization.quantize_static"),
        ("openvino", "openvino/float/float.xml", "nncf.quantize"),
    ],
)
def test_a_format_names_its_converter(form: str, file: str, words: str) -> None:
    described = Registry().get("inspector", form).describe(SEEDS / file)
    assert words in described.conversion.int8


def test_a_litert_file_has_its_dtypes_set_by_the_converter() -> None:
    described = Registry().get("inspector", "litert").describe(SEEDS / "tflite/float.tflite")
    assert described.conversion.io.format(dtype="uint8").endswith("output_type = tf.uint8")


def test_a_format_without_words_of_its_own_has_some() -> None:
    words = Conversion()
    assert "where the file is made" in words.int8
    assert (
        words.io.format(dtype="int8") == "make the inputs and outputs int8 where the file is made"
    )
