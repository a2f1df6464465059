"""Models with loops: the float file is right, int8 is refused before TensorFlow's calibrator."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target
from pytest_edgegate.testing.contract import CaseData, surroundings

STEPS = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
DATA = EdgeData(calibration=STEPS, evaluation=(STEPS, np.arange(8) % 2))


def made(framework: Any, kind: str, unroll: bool) -> Any:
    """Three steps of two values to two values."""
    layers = framework.layers
    with held_native_output():
        framework.utils.set_random_seed(0)
        given = framework.Input((3, 2))
        recurrent = {
            "lstm": lambda: layers.LSTM(2, unroll=unroll),
            "gru": lambda: layers.GRU(2, unroll=unroll),
            "simple": lambda: layers.SimpleRNN(2, unroll=unroll),
            "cell": lambda: layers.RNN(layers.GRUCell(2), unroll=unroll),
            "both ways": lambda: layers.Bidirectional(
                layers.SimpleRNN(1, unroll=unroll), name="both_ways"
            ),
            "inside": lambda: framework.Sequential(
                [framework.Input((3, 2)), layers.SimpleRNN(2, unroll=unroll)]
            ),
        }[kind]()
        return framework.Model(given, recurrent(given), name="steps")


def converted(model: Any, step: Step | None, target: Target, folder: Path) -> Produced:
    source = READER.recognise(model, surroundings())
    assert source is not None
    wanted = target if step else float_target(target, "litert")
    return TRANSFORM.apply(source, step, wanted, CaseData(DATA), folder)


@pytest.mark.parametrize("kind", ["lstm", "gru", "simple", "cell", "both ways", "inside"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_an_rnn_that_is_not_unrolled_is_refused_by_name(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str, kind: str
) -> None:
    model = made(request.getfixturevalue(family), kind, unroll=False)
    with pytest.raises(UnsupportedError, match="steps has loops") as raised:
        converted(model, PTQ(8), host, tmp_path)
    layer = {"both ways": "forward_", "cell": "rnn", "inside": "simple", "simple": "simple"}
    assert layer.get(kind, kind) in raised.value.message
    assert "unroll=True" in raised.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_unrolled_it_is_int8_and_rolled_it_is_a_right_float_file(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str
) -> None:
    """The remedy is one."""
    framework = request.getfixturevalue(family)
    rolled = made(framework, "lstm", unroll=False)
    with XNNPACK.open(converted(rolled, None, host, tmp_path).main) as runner:
        [found] = runner.infer((STEPS,))
    np.testing.assert_allclose(found, rolled.predict(STEPS, verbose=0), atol=1e-5)
    unrolled = made(framework, "lstm", unroll=True)
    (tmp_path / "int8").mkdir()
    main = converted(unrolled, PTQ(8), host, tmp_path / "int8").main
    assert not [each for each in INSPECTOR.describe(main).operators if each.name == "WHILE"]
    with XNNPACK.open(main) as runner:
        [found] = runner.infer((STEPS,))
    np.testing.assert_allclose(found, unrolled.predict(STEPS, verbose=0), atol=0.1)


def test_a_saved_model_and_a_loop_of_ones_own(tf: ModuleType, host: Target, tmp_path: Path) -> None:
    class Loop(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(input_signature=[tf.TensorSpec([None, 3, 2], tf.float32, "x")])
        def __call__(self, x: Any) -> Any:
            total = tf.zeros_like(x[:, 0])
            for at in tf.range(3):
                total += tf.gather(x, at, axis=1)
            return {"total": total}

        @tf.function(input_signature=[tf.TensorSpec([None, 3, 2], tf.float32, "x")])
        def branch(self, x: Any) -> Any:
            return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)}

    loop = Loop()
    for name, function in (("loop", loop.__call__), ("branch", loop.branch)):
        with held_native_output():
            tf.saved_model.save(loop, str(tmp_path / name), {"serving_default": function})
    with pytest.raises(UnsupportedError, match="loop has loops"):
        converted(tmp_path / "loop", PTQ(8), host, tmp_path)
    assert converted(tmp_path / "branch", PTQ(8), host, tmp_path).main.exists()
