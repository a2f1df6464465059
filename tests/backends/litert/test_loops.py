"""Loops that can't be unrolled: the float file is right, int8 is refused before the calibrator."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends import recurrent_models
from pytest_edgegate.backends.keras import unrolling
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.quantize import TRANSFORM as QUANTIZER
from pytest_edgegate.backends.litert.reader import READER as LITERT
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.recurrent_models import MOST_STEPS
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.planner import float_target
from pytest_edgegate.testing.contract import CaseData, surroundings

STEPS = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
DATA = EdgeData(calibration=STEPS, evaluation=(STEPS, np.arange(8) % 2))
PICTURES = np.random.default_rng(0).normal(size=(8, 2, 4, 4, 1)).astype(np.float32)


def named(framework: Any, layer: Any, shape: tuple[int | None, ...] = (3, 2)) -> Any:
    with held_native_output():
        given = framework.Input(shape)
        return framework.Model(given, layer(given), name="steps")


def converted(
    model: Any, step: Step | None, target: Target, folder: Path, data: EdgeData = DATA
) -> Produced:
    source = READER.recognise(model, surroundings())
    assert source is not None
    wanted = target if step else float_target(target, "litert")
    return TRANSFORM.apply(source, step, wanted, CaseData(data), folder)


def refused(model: Any, target: Target, folder: Path, step: Step | None = None) -> UnsupportedError:
    before = sorted(folder.iterdir())
    with pytest.raises(UnsupportedError) as raised:
        converted(model, step or PTQ(8), target, folder)
    assert sorted(folder.iterdir()) == before
    return raised.value


@pytest.mark.parametrize(("family", "step"), [("keras", Cast()), ("tf_keras", None)], ids=str)
def test_a_float_file_keeps_its_loop_and_is_right(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str, step: Step | None
) -> None:
    framework = request.getfixturevalue(family)
    model = named(framework, framework.layers.LSTM(2, dropout=0.5))
    main = converted(model, step, host, tmp_path).main
    assert "WHILE" in {each.kind for each in INSPECTOR.describe(main).operators}
    with XNNPACK.open(main) as runner:
        [found] = runner.infer((STEPS,))
    np.testing.assert_allclose(found, model.predict(STEPS, verbose=0), atol=1e-3 if step else 1e-5)


def test_a_float_file_with_a_loop_is_refused_by_the_other_quantizer(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    model = named(keras, keras.layers.LSTM(2))
    main = converted(model, None, host, tmp_path).main
    source = LITERT.recognise(main, surroundings())
    assert source is not None
    (tmp_path / "int8").mkdir()
    with pytest.raises(UnsupportedError, match=r"steps\.tflite has loops \(WHILE #") as raised:
        QUANTIZER.apply(source, PTQ(8), host, CaseData(DATA), tmp_path / "int8")
    assert "give the Keras model that it was made from" in raised.value.remedy


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_loop_of_ones_own_is_refused_by_its_layer(
    request: pytest.FixtureRequest, tf: ModuleType, host: Target, tmp_path: Path, family: str
) -> None:
    framework = request.getfixturevalue(family)

    class Summed(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            body = lambda at, total: (at + 1, total + tf.gather(x, at, axis=1))  # noqa: E731
            return tf.while_loop(lambda at, _: at < 3, body, (0, tf.zeros_like(x[:, 0])))[1]

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], shape[2])

    error = refused(named(framework, Summed(name="summed")), host, tmp_path)
    assert error.message.startswith("steps has loops (summed")
    assert error.remedy == "write a loop of your own as a Python loop over a fixed number of steps"


def test_a_saved_model_has_no_layers(
    tf: ModuleType, tf_keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    """What its refusal says works: the object that tf-keras reads of the folder."""
    model = named(tf_keras, tf_keras.layers.LSTM(2, name="memory"))
    with held_native_output():
        model.save(tmp_path / "saved")
    error = refused(tmp_path / "saved", host, tmp_path)
    assert "saved has loops" in error.message
    assert "give the model that it was exported from" in error.remedy
    with held_native_output():
        read = tf_keras.models.load_model(tmp_path / "saved")
    converted(read, PTQ(8), host, tmp_path)


def test_a_loop_and_a_branch_of_a_saved_model(tf: ModuleType, host: Target, tmp_path: Path) -> None:
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
    error = refused(tmp_path / "loop", host, tmp_path)
    assert "loop has loops" in error.message
    assert "a Python loop over a fixed number of steps" in error.remedy
    assert converted(tmp_path / "branch", PTQ(8), host, tmp_path).main.exists()


def test_a_conv_lstm_of_tf_keras_is_refused_and_that_of_keras_is_its_equal(
    keras: ModuleType, tf_keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    """What the refusal says works: the same weights in Keras 3."""

    def as_told(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0, 1)

    old = named(tf_keras, tf_keras.layers.ConvLSTM2D(2, 3, name="memory"), PICTURES.shape[1:])
    layer = keras.layers.ConvLSTM2D(2, 3, recurrent_activation=as_told)
    new = named(keras, layer, PICTURES.shape[1:])
    error = refused(old, host, tmp_path)
    assert error.message.startswith("steps has a ConvLSTM of tf-keras (memory)")
    assert "new.set_weights(old.get_weights())" in error.remedy
    assert "recurrent_activation=lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)" in error.remedy
    new.set_weights(old.get_weights())
    exact = old.predict(PICTURES, verbose=0)
    np.testing.assert_allclose(new.predict(PICTURES, verbose=0), exact, atol=1e-6)
    main = converted(new, PTQ(8), host, tmp_path, EdgeData(calibration=PICTURES)).main
    with XNNPACK.open(main) as runner:
        [found] = runner.infer((PICTURES,))
    np.testing.assert_allclose(found, exact, atol=0.03 * np.ptp(exact))


@pytest.mark.parametrize(("family", "step"), [("keras", None), ("tf_keras", PTQ(8))], ids=str)
def test_free_time_steps_are_refused_and_a_model_with_fixed_ones_has_the_weights(
    request: pytest.FixtureRequest, host: Target, tmp_path: Path, family: str, step: Step | None
) -> None:
    """What the refusal says works."""
    framework = request.getfixturevalue(family)
    free = named(framework, framework.layers.GRU(2), (None, 2))
    source = READER.recognise(free, surroundings())
    assert source is not None
    with pytest.raises(UnsupportedError, match=r"has the dynamic shape \(-1, -1, 2\)") as raised:
        TRANSFORM.apply(source, step, host, CaseData(DATA), tmp_path)
    assert "keras.Input((SIZE, 2))" in raised.value.remedy
    assert "fixed.set_weights(model.get_weights())" in raised.value.remedy
    fixed = named(framework, framework.layers.GRU(2), (3, 2))
    fixed.set_weights(free.get_weights())
    np.testing.assert_array_equal(fixed.predict(STEPS, verbose=0), free.predict(STEPS, verbose=0))
    converted(fixed, PTQ(8), host, tmp_path)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_steps_that_depend_on_the_sample_are_refused(
    request: pytest.FixtureRequest, tf: ModuleType, host: Target, tmp_path: Path, family: str
) -> None:
    framework = request.getfixturevalue(family)

    class Kept(framework.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.boolean_mask(x, x[0, :, 0] > 0, axis=1)

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], None, shape[2])

    model = named(framework, lambda x: framework.layers.GRU(2, name="memory")(Kept()(x)))
    error = refused(model, host, tmp_path)
    assert error.message.startswith("steps has recurrent layers (memory), and one of them gets a")
    assert "keras.layers.Reshape((steps, features))" in error.remedy


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_too_many_steps_are_refused_before_they_are_unrolled(
    request: pytest.FixtureRequest,
    host: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
) -> None:
    layers = request.getfixturevalue(family).layers
    both = layers.Bidirectional(layers.SimpleRNN(2), name="both")
    model = named(request.getfixturevalue(family), both, (MOST_STEPS, 2))
    monkeypatch.setattr(unrolling, "freeze", None)
    error = refused(model, host, tmp_path)
    assert f"loop over {2 * MOST_STEPS:,} time steps" in error.message
    assert f"{MOST_STEPS} are the limit" in error.message
    assert "train an LSTM in place of GRU, SimpleRNN" in error.remedy
    assert "from_keras_model" in error.remedy
    assert "which is given x[:, ::-1]" in error.remedy
    assert not any(each.unroll for each in model._flatten_layers() if hasattr(each, "unroll"))


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_each_cell_has_the_way_out_that_works(
    request: pytest.FixtureRequest,
    family: str,
    host: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What TensorFlow fuses of each is shown in test_fused.py."""
    layers = request.getfixturevalue(family).layers
    monkeypatch.setattr(recurrent_models, "MOST_STEPS", 1)
    monkeypatch.setattr(unrolling, "freeze", None)
    cells = {
        layers.LSTM(2): (False, False),
        layers.LSTM(2, go_backwards=True): (False, True),
        layers.Bidirectional(layers.LSTM(2)): (False, True),
        layers.GRU(2): (True, False),
        layers.RNN(layers.LSTMCell(2)): (True, False),
    }
    for at, (layer, (other, backwards)) in enumerate(cells.items()):
        remedy = refused(named(request.getfixturevalue(family), layer), host, tmp_path).remedy
        assert ("in place of GRU" in remedy, "x[:, ::-1]" in remedy) == (other, backwards), at


def test_the_limit_is_of_what_the_gate_unrolls(
    keras: ModuleType, host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer that is built with unroll=True has none, as the refusal says."""
    monkeypatch.setattr(recurrent_models, "MOST_STEPS", 3)
    layer = keras.layers.SimpleRNN
    for number, unrolled in enumerate((layer(2, unroll=True), layer(2))):
        twice = named(keras, lambda x, one=unrolled: layer(2)(keras.ops.stack([one(x)] * 3, 1)))
        (tmp_path / str(number)).mkdir()
        if unrolled.unroll:
            converted(twice, PTQ(8), host, tmp_path / str(number))
        else:
            assert "loop over 6 time steps" in refused(twice, host, tmp_path / str(number)).message
