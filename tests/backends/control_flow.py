"""Networks in int8 of which operators run graphs of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pytest_edgegate.backends.native_output import held_native_output

SHAPE = (1, 8, 8, 4)
KINDS = ("loop", "unrolled", "branch")


def network(tf: ModuleType, kind: str) -> Callable[[Any], Any]:
    """Three convolutions by a loop or without one, or a convolution or pooling."""
    draws = np.random.default_rng(0)
    weights = tf.constant(draws.normal(size=(3, 3, 4, 4)).astype(np.float32) / 5)

    def convolved(x: Any) -> Any:
        return tf.nn.relu(tf.nn.conv2d(x, weights, 1, "SAME"))

    def loop(x: Any) -> Any:
        def body(at: Any, value: Any) -> Any:
            return at + 1, convolved(value)

        return tf.while_loop(lambda at, _: at < 3, body, (tf.constant(0), x))[1]

    def unrolled(x: Any) -> Any:
        return convolved(convolved(convolved(x)))

    def branch(x: Any) -> Any:
        return tf.cond(
            tf.reduce_sum(x) > 0,
            lambda: convolved(x),
            lambda: tf.nn.max_pool2d(x, 3, 1, "SAME"),
        )

    return {"loop": loop, "unrolled": unrolled, "branch": branch}[kind]


def converted(tf: ModuleType, folder: Path, *kinds: str) -> Path:
    """A file in int8 with a signature for each of *kinds*."""
    module = tf.Module()
    wanted = tf.TensorSpec(SHAPE, tf.float32, name="x")
    for kind in kinds:
        setattr(module, kind, tf.function(network(tf, kind)).get_concrete_function(wanted))
    path = folder / f"{'_'.join(kinds)}.tflite"
    with held_native_output():
        saved = str(folder / f"saved_{path.stem}")
        tf.saved_model.save(module, saved, {kind: getattr(module, kind) for kind in kinds})
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=list(kinds))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _samples(kinds)
        converter.inference_input_type = converter.inference_output_type = tf.int8
        path.write_bytes(converter.convert())
    return path


def _samples(kinds: tuple[str, ...]) -> Any:
    draws = np.random.default_rng(1)
    for _ in range(5):
        sample = {"x": draws.normal(size=SHAPE).astype(np.float32)}
        yield from ((kind, sample) for kind in kinds) if kinds[1:] else iter([sample])
