"""PTQ through the gate against TFLite's converter alone, from a loaded model to bytes on disk.

    python benchmarks/ptq.py

Imports, the float export, digests and the cache look-up are reported apart.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

PROJECT = Path(__file__).parent.parent / "example_project"
sys.path.insert(0, str(PROJECT))

from digits import load_digits  # noqa: E402

from pytest_edgegate import PTQ, EdgeData  # noqa: E402
from pytest_edgegate.backends.keras.reader import READER  # noqa: E402
from pytest_edgegate.backends.litert.from_keras import TRANSFORM  # noqa: E402
from pytest_edgegate.backends.native_output import held_native_output  # noqa: E402
from pytest_edgegate.data.dataset import Dataset  # noqa: E402
from pytest_edgegate.registry import Registry  # noqa: E402
from pytest_edgegate.session.leg_data import LegData  # noqa: E402
from pytest_edgegate.settings.boards import find_target  # noqa: E402
from pytest_edgegate.storage.cache import Cache, key_of  # noqa: E402
from pytest_edgegate.testing.contract import surroundings  # noqa: E402

ROUNDS = 9
CORAL = find_target("coral", PROJECT, Registry())


def leg_data(data: Dataset) -> LegData:
    """The data as the gate hands it to a transform, with its checks."""
    return LegData(data)


def main() -> None:
    start = time.perf_counter()
    with held_native_output():
        import keras
        import tensorflow as tf
    print(f"imports                 {time.perf_counter() - start:6.2f} s")
    digits = load_digits()
    calibration = digits.x_train[:200]
    path = PROJECT / "models" / "digits.keras"
    model = keras.models.load_model(path, compile=False)
    source = READER.recognise(model, surroundings())
    assert source is not None
    data = Dataset(
        EdgeData(calibration=calibration, evaluation=(digits.x_evaluate, digits.y_evaluate))
    )

    def plain(out: Path, fixed_batch: bool) -> None:
        """What an expert writes: with the batch left free, or fixed by tracing."""
        if fixed_batch:
            specs = [tf.TensorSpec((1, 28, 28, 1), tf.float32)]
            traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(*specs)
            from tensorflow.python.framework.convert_to_constants import (
                convert_variables_to_constants_v2,
            )

            frozen = convert_variables_to_constants_v2(traced)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
        else:
            converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[None]] for x in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        (out / "plain.tflite").write_bytes(converter.convert())

    def ours(out: Path) -> None:
        """The gate's own: checks of the data, conversion, manifest, atomic write."""
        cache = Cache(out / "cache")

        def work(folder: Path) -> dict[str, object]:
            made = TRANSFORM.apply(source, PTQ(), CORAL, leg_data(data), folder)
            return {"main": made.main.name}

        cache.fetch(key_of(round=str(out)), work, lambda entry: entry)

    def timed(work: object, *arguments: object) -> float:
        with tempfile.TemporaryDirectory() as folder, held_native_output():
            start = time.perf_counter()
            work(Path(folder), *arguments)  # type: ignore[operator]
            return time.perf_counter() - start

    source.digest()
    for warm_up in (False, True):
        timed(plain, warm_up)
    timed(ours)
    rounds = [(timed(ours), timed(plain, True), timed(plain, False)) for _ in range(ROUNDS)]
    own, fixed, free = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(row[0] / row[1] for row in rounds)
    more = statistics.median(row[0] - row[1] for row in rounds)
    print(f"through the gate        {own:6.3f} s")
    print(f"converter, batch fixed  {fixed:6.3f} s   ratio {ratio:.3f}, {more * 1e3:+.0f} ms")
    print(f"converter, batch free   {free:6.3f} s   ratio {own / free:.3f}")
    start = time.perf_counter()
    TRANSFORM.apply(source, None, CORAL, leg_data(data), Path(tempfile.mkdtemp()))
    print(f"float export            {time.perf_counter() - start:6.3f} s")
    start = time.perf_counter()
    Dataset(EdgeData(calibration=calibration)).calibration(200).digest()
    source.digest()
    print(f"digests                 {time.perf_counter() - start:6.3f} s")


if __name__ == "__main__":
    main()
