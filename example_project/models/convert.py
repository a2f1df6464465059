"""Convert digits.keras to TFLite twice: with uint8 inputs and outputs, and with float32 left there.

Run from anywhere: ``python example_project/models/convert.py``. Needs tensorflow, keras,
ai-edge-litert, mlxtend.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from digits import load_digits

HERE = Path(__file__).resolve().parent
REPRESENTATIVE = 200

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def fix_batch(model: keras.Model) -> keras.Model:
    """Return ``model`` for batches of one, without the shape arithmetic of an open batch."""
    image = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image")
    fixed = keras.models.clone_model(model, input_tensors=image)
    fixed.set_weights(model.get_weights())
    return fixed


def convert(
    model: keras.Model, representative: Images, io_type: tf.DType, *, per_channel: bool = True
) -> bytes:
    """Return ``model`` quantised to 8 bits, with inputs and outputs of ``io_type``.

    ``representative`` is (n, 28, 28, 1) float32; it sets the range of every activation.
    ``per_channel``: whether each filter has a scale of its own.
    """

    def samples() -> Iterator[list[Images]]:
        for index in range(len(representative)):
            yield [representative[index : index + 1]]

    converter = tf.lite.TFLiteConverter.from_keras_model(fix_batch(model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = io_type
    converter.inference_output_type = io_type
    converter._experimental_disable_per_channel = not per_channel
    # many accelerators take a dense layer with one scale only
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return bytes(converter.convert())


def quantise(values: Images, detail: dict[str, Any]) -> npt.NDArray[Any]:
    """Return float32 ``values`` in the type of the tensor that ``detail`` describes."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    steps: Images = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    return steps.astype(detail["dtype"])


def accuracy(content: bytes, images: Images, labels: Labels) -> float:
    """Return the share of ``images``, (n, 28, 28, 1) float32, that get their label."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    [given], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    right = 0
    for sample, label in zip(quantise(images, given), labels, strict=True):
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        right += int(interpreter.get_tensor(result["index"]).argmax() == label)
    return right / len(labels)


def main() -> None:
    """Write both files and print the accuracy and the size of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE, help="folder of digits.keras")
    folder = parser.parse_args().folder
    keras.config.disable_interactive_logging()  # else every conversion lists its variables
    digits = load_digits()
    model = keras.models.load_model(folder / "digits.keras")

    for name, io_type in (("digits_uint8", tf.uint8), ("digits_float_io", tf.float32)):
        content = convert(model, digits.x_train[:REPRESENTATIVE], io_type)
        (folder / f"{name}.tflite").write_bytes(content)
        right = accuracy(content, digits.x_evaluate, digits.y_evaluate)
        print(f"{name}.tflite: accuracy {right:.4f}, {len(content):,} bytes")


if __name__ == "__main__":
    main()
