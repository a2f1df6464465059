"""Convert digits.keras as models/convert.py does, with one scale a layer and one digit to calibrate.

Run from anywhere: ``python example_project/regressed/one_scale.py``. Needs tensorflow, keras,
ai-edge-litert, mlxtend.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras
import tensorflow as tf

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "models"
sys.path[:0] = [str(HERE.parent), str(MODELS)]

from convert import accuracy, convert
from digits import load_digits


def main() -> None:
    """Write the file and print its accuracy and its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to")
    path = parser.parse_args().output / "digits_uint8.tflite"
    keras.config.disable_interactive_logging()
    digits = load_digits()
    model = keras.models.load_model(MODELS / "digits.keras")

    content = convert(model, digits.x_train[:1], tf.uint8, per_channel=False)
    path.write_bytes(content)
    right = accuracy(content, digits.x_evaluate, digits.y_evaluate)
    print(f"{path}: accuracy {right:.4f}, {len(content):,} bytes")


if __name__ == "__main__":
    main()
