"""Keras models trained as Keras itself trains them, the same way every time."""

from __future__ import annotations

import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax, softmax

from pytest_edgegate import QAT, EdgeData, EdgeTraining
from pytest_edgegate.backends.keras.loading import from_keras_model
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.saving import refuse_unreadable, save
from pytest_edgegate.backends.keras.training import fit
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tf_losses import loss_by, targets_by
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.data.objectives import Objective
from pytest_edgegate.data.training_loop import TrainingSamples
from pytest_edgegate.testing.contract import CaseData, surroundings

Floats = npt.NDArray[np.float32]
NUMBERS = np.random.default_rng(0)
LOGITS = (NUMBERS.normal(size=(6, 4)) * 3).astype(np.float32)
CLASSES = np.array([0, 1, 2, 3, 3, 0])
SHARES = softmax(NUMBERS.normal(size=(6, 4)), axis=1).astype(np.float32)


def samples(model: Any, data: EdgeData, **settings: Any) -> TrainingSamples:
    case = CaseData(data, training=EdgeTraining(version="1", **settings))
    return case.training(from_keras_model(model).inputs)


def weights(model: Any) -> list[Floats]:
    return [np.array(each) for each in model.get_weights()]


def same(one: Any, other: Any) -> bool:
    return all(map(np.array_equal, weights(one), weights(other)))


def _crossentropy(logits: Floats, shares: Floats) -> float:
    return float(-(shares * log_softmax(logits.astype(np.float64), axis=-1)).sum(-1).mean())


def _binary(logit: Floats, label: Floats) -> float:
    return float(np.logaddexp(0, -np.where(label == 1, logit, -logit).astype(np.float64)).mean())


ONE_HOT = np.eye(4, dtype=np.float32)[CLASSES]
BITS = np.array([[0], [1], [1], [0], [1], [0]])
SCORE = LOGITS[:, :1]
LOSSES: dict[str, tuple[Objective, Floats, Any, float]] = {
    "logits": (Objective("classes"), LOGITS, CLASSES, _crossentropy(LOGITS, ONE_HOT)),
    "probabilities": (
        Objective("classes", probabilities=True),
        softmax(LOGITS, axis=1),
        CLASSES,
        _crossentropy(LOGITS, ONE_HOT),
    ),
    "one-hot": (Objective("classes"), LOGITS, ONE_HOT, _crossentropy(LOGITS, ONE_HOT)),
    "shares": (Objective("classes"), LOGITS, SHARES, _crossentropy(LOGITS, SHARES)),
    "classes first": (
        Objective("classes", 1),
        LOGITS.reshape(3, 2, 4).transpose(0, 2, 1),
        CLASSES.reshape(3, 2),
        _crossentropy(LOGITS, ONE_HOT),
    ),
    "shares, classes first": (
        Objective("classes", 1),
        LOGITS.reshape(3, 2, 4).transpose(0, 2, 1),
        SHARES.reshape(3, 2, 4).transpose(0, 2, 1),
        _crossentropy(LOGITS, SHARES),
    ),
    "one score": (Objective("binary"), SCORE, BITS, _binary(SCORE, BITS)),
    "one probability": (
        Objective("binary", probabilities=True),
        1 / (1 + np.exp(-SCORE)),
        BITS,
        _binary(SCORE, BITS),
    ),
    "several sigmoids": (
        Objective("binary", probabilities=True),
        1 / (1 + np.exp(-LOGITS)),
        ONE_HOT,
        _binary(LOGITS, ONE_HOT),
    ),
    "squares": (Objective("values"), LOGITS, SHARES, float(((LOGITS - SHARES) ** 2).mean())),
    "absolute": (
        Objective("values", absolute=True),
        LOGITS,
        SHARES,
        float(np.abs(LOGITS - SHARES).mean()),
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_the_loss_is_the_one_of_the_textbook(tf: ModuleType, case: str) -> None:
    objective, output, labels, expected = LOSSES[case]
    target = targets_by(objective, output.shape)(labels)
    found = loss_by(tf, objective)(tf.constant(output, tf.float32), tf.constant(target))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_sure_and_wrong_softmax_still_learns(tf: ModuleType) -> None:
    logits = tf.Variable([[40.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = loss_by(tf, Objective("classes", probabilities=True))(
            tf.nn.softmax(logits), tf.constant([1])
        )
    np.testing.assert_allclose(tape.gradient(loss, logits), [[1, -1]], rtol=1e-5)


def test_rows_that_happen_to_be_one_hot_stay_rows() -> None:
    targets = targets_by(Objective("classes"), (6, 4))
    assert targets(ONE_HOT).dtype == targets(SHARES).dtype == np.float32


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_it_learns_what_train_on_batch_learns(
    keras: ModuleType, network: Callable[..., Any], digits: Any, optimizer: str
) -> None:
    ours, theirs = (network(keras, penalty=1e-2) for _ in range(2))
    for model in (ours, theirs):
        model.get_layer("depthwise").trainable = False
        model.get_layer("norm").trainable = optimizer != "sgd"
    batches = samples(ours, digits.data, optimizer=optimizer)
    facts = fit(ours, batches, QAT(1, lr=1e-3), "digits")
    kinds = {
        "adam": keras.optimizers.Adam(1e-3),
        "adamw": keras.optimizers.AdamW(1e-3),
        "sgd": keras.optimizers.SGD(1e-3, momentum=0.9),
    }
    theirs.compile(kinds[optimizer], "sparse_categorical_crossentropy")
    total = 0.0
    for batch in batches.epoch(0):
        theirs.reset_metrics()
        total += len(batch) * theirs.train_on_batch(batch.inputs[0], batch.labels)
    for one, other in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)
    assert not np.array_equal(weights(ours)[0], weights(network(keras))[0])
    assert facts["losses"] == [pytest.approx(total / 600, rel=1e-4)]


def test_what_is_frozen_stays(keras: ModuleType, network: Callable[..., Any], digits: Any) -> None:
    model = network(keras)
    for name in ("norm", "depthwise"):
        model.get_layer(name).trainable = False
    before = {each.name: weights(each) for each in model.layers}
    fit(model, samples(model, digits.data), QAT(1, lr=1e-2), "digits")
    stayed = {
        each.name
        for each in model.layers
        if each.weights and all(map(np.array_equal, before[each.name], weights(each)))
    }
    assert stayed == {"norm", "depthwise"}


def test_the_same_seed_gives_the_same_weights_and_leaves_no_trace(
    keras: ModuleType, tf: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    from tensorflow.python.framework import config

    tf.random.set_seed(5)
    expected = float(tf.random.uniform([]))
    made = []
    for seed in (0, 0, 1):
        model = from_keras_model(network(keras, dropout=0.5, seed=len(made))).trainable()  # type: ignore[misc]
        model.set_weights(network(keras, dropout=0.5).get_weights())
        random.seed(len(made))
        np.random.seed(len(made))
        tf.random.set_seed(5)
        states = random.getstate(), str(np.random.get_state())
        facts = fit(model, samples(model, digits.data, seed=seed), QAT(1, lr=1e-3), "digits")
        assert (random.getstate(), str(np.random.get_state())) == states
        assert float(tf.random.uniform([])) == expected
        assert facts["seed"] == seed
        made.append(model)
    assert not config.is_op_determinism_enabled()
    assert same(made[0], made[1])
    assert not same(made[0], made[2])


def test_the_facts_are_json(keras: ModuleType, network: Callable[..., Any], digits: Any) -> None:
    model = network(keras)
    facts = fit(model, samples(model, digits.data, batch_size=100), QAT(2, lr=1e-3), "digits")
    losses = facts.pop("losses")
    assert len(losses) == 2
    assert losses[1] < losses[0]
    assert isinstance(facts.pop("threads"), int)
    assert facts.pop("device").split()[0] in ("CPU", "GPU")
    assert facts == {"seed": 0, "epochs": 2, "lr": 1e-3, "batch_size": 100}


def test_losses_and_optimizers_of_ones_own(
    keras: ModuleType, tf: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    made = []
    for loss in (
        "crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.sparse_categorical_crossentropy,
        lambda labels, outputs: -tf.math.log(tf.gather(outputs, labels, axis=1, batch_dims=1)),
    ):
        model = network(keras)
        settings = {"loss": loss, "optimizer": lambda lr: keras.optimizers.SGD(lr, momentum=0.9)}
        fit(model, samples(model, digits.data, **settings), QAT(1, lr=1e-3), "digits")
        made.append(model)
    named = network(keras)
    fit(named, samples(named, digits.data, optimizer="sgd"), QAT(1, lr=1e-3), "digits")
    for model in made:
        for one, other in zip(weights(model), weights(named), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


def test_a_model_of_tf_keras_is_trained_and_kept(
    tf_keras: ModuleType, network: Callable[..., Any], digits: Any, tmp_path: Path
) -> None:
    original = network(tf_keras, dropout=0.3)
    before = weights(original)
    files = []
    for at in range(2):
        model = from_keras_model(original).trainable()  # type: ignore[misc]
        facts = fit(model, samples(model, digits.data), QAT(2, lr=1e-3), "digits")
        assert facts["losses"][1] < facts["losses"][0]
        folder = tmp_path / str(at)
        folder.mkdir()
        files.append(save(model, folder / "digits.keras"))
    assert all(map(np.array_equal, before, weights(original)))
    assert [each.name for each in files] == ["digits.h5"] * 2
    assert files[0].read_bytes() == files[1].read_bytes()
    read = READER.recognise(files[0], surroundings())
    assert read is not None
    x = digits.x[:20]
    np.testing.assert_allclose(read.load().function(x)[0], model(x), rtol=0, atol=1e-6)


def _custom(keras: ModuleType) -> Any:
    class Doubled(keras.layers.Layer):  # type: ignore[name-defined, misc]
        def call(self, x: Any) -> Any:
            return x * 2

    image = keras.Input((8, 8, 1))
    inner = keras.Sequential([keras.Input((8, 8, 1)), Doubled(name="twice")], name="inner")
    x = keras.layers.Flatten()(inner(image))
    return keras.Model(image, keras.layers.Dense(10, name="scores")(x), name="custom")


def test_a_copy_keeps_layers_of_ones_own_and_touches_nothing(
    keras: ModuleType, digits: Any
) -> None:
    model = _custom(keras)
    model.compile("sgd", lambda labels, outputs: outputs)
    state, before = random.getstate(), weights(model)
    copy = from_keras_model(model).trainable()  # type: ignore[misc]
    assert (random.getstate(), model.compiled, copy.compiled) == (state, True, False)
    assert same(copy, model)
    assert copy.get_layer("inner").get_layer("twice").__class__.__name__ == "Doubled"
    fit(copy, samples(copy, digits.data), QAT(1, lr=1e-2), "custom")
    assert all(map(np.array_equal, before, weights(model)))
    assert not same(copy, model)


def test_a_layer_that_no_file_can_hold_is_told_before_the_training(keras: ModuleType) -> None:
    with pytest.raises(UnsupportedError, match="custom could not be read back") as raised:
        refuse_unreadable(_custom(keras))
    assert raised.value.remedy.endswith("set edge_allow_code = true in the ini")


def test_inputs_by_name_reach_their_layers(keras: ModuleType, digits: Any) -> None:
    keras.utils.set_random_seed(0)
    flat = {name: keras.Input((64,), name=name) for name in ("wide", "narrow")}
    scores = keras.layers.Dense(10, name="scores")(
        keras.layers.Concatenate()([keras.layers.Rescaling(0.01)(flat["wide"]), flat["narrow"]])
    )
    model = keras.Model(flat, scores)
    x = digits.x[:600].reshape(600, 64)
    data = EdgeData(train=({"narrow": x, "wide": 100 * x}, digits.y[:600]))
    copy = from_keras_model(model).trainable()  # type: ignore[misc]
    facts = fit(copy, samples(copy, data), QAT(6, lr=3e-2), "named")
    assert facts["losses"][-1] < 0.3


def test_one_probability_learns_zeros_from_ones(keras: ModuleType, digits: Any) -> None:
    chosen = np.flatnonzero(digits.y < 2)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    )
    data = EdgeData(train=(digits.x[chosen], digits.y[chosen]))
    facts = fit(model, samples(model, data), QAT(5, lr=3e-2), "binary")
    assert facts["losses"][-1] < 0.1


def test_a_training_that_diverges_is_an_error(
    keras: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    model = network(keras, activation=None)
    batches = samples(model, digits.data, optimizer="sgd")
    with pytest.raises(CompressionError, match=r"digits diverged: the loss is (nan|inf)"):
        fit(model, batches, QAT(1, lr=1e25), "digits")


def test_labels_that_do_not_fit_are_told_before_the_training(
    keras: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    model = network(keras, classes=9)
    before = weights(model)
    with pytest.raises(ConfigurationError, match=r"labels go from 0 to 9, but .* 9 classes"):
        fit(model, samples(model, digits.data), QAT(1), "digits")
    assert all(map(np.array_equal, before, weights(model)))


def test_a_loss_that_fails_is_told_with_its_reason(
    keras: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    def loss(labels: Any, outputs: Any) -> Any:
        raise ValueError("no such axis")

    model = network(keras)
    with pytest.raises(CompressionError, match=r"digits failed: ValueError: .*no such axis"):
        fit(model, samples(model, digits.data, loss=loss), QAT(1), "digits")


OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "one that raises": (lambda keras: lambda lr: {}["lr"], "KeyError: 'lr'"),
    "one that gives none": (lambda keras: lambda lr: None, "it gives a NoneType"),
    "an optimizer": (lambda keras: keras.optimizers.Adam(1e-3), "'Adam' object is not callable"),
    "one of another model": (
        lambda keras: lambda lr: _built(keras.optimizers.SGD(lr), keras),
        "ValueError: ",
    ),
}


def _built(optimizer: Any, keras: ModuleType) -> Any:
    optimizer.build([keras.Variable([1.0])])
    optimizer.build = _refusing
    return optimizer


def _refusing(variables: Any) -> None:
    raise ValueError("not of these variables")


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_what_makes_no_optimizer_is_told_before_the_training(
    keras: ModuleType, network: Callable[..., Any], digits: Any, case: str
) -> None:
    make, reason = OPTIMIZERS[case]
    model = network(keras)
    given = samples(model, digits.data, optimizer=make(keras))
    with pytest.raises(ConfigurationError, match=rf"makes no optimizer .*: .*{reason}") as raised:
        fit(model, given, QAT(1), "digits")
    assert "optimizer=lambda lr: keras.optimizers.SGD(lr)" in raised.value.remedy


def test_labels_with_a_point_are_in_float32_for_a_loss_of_ones_own(
    keras: ModuleType, tf: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    model = network(keras)
    rows = np.eye(10)[digits.y[:600]]
    assert rows.dtype == np.float64
    data = EdgeData(train=(digits.x[:600], rows))
    settings = {"loss": lambda labels, outputs: tf.reduce_mean((labels - outputs) ** 2, 1)}
    facts = fit(model, samples(model, data, **settings), QAT(2), "digits")
    assert facts["losses"][1] < facts["losses"][0]


def test_nothing_to_train_is_refused(
    keras: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    model = network(keras)
    model.trainable = False
    with pytest.raises(UnsupportedError, match="digits has no trainable weights"):
        fit(model, samples(model, digits.data), QAT(1), "digits")


def test_a_fixed_batch_is_refused(keras: ModuleType, digits: Any) -> None:
    image = keras.Input(batch_shape=(1, 8, 8, 1))
    model = keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(image)))
    with pytest.raises(UnsupportedError, match="takes batches of exactly 1"):
        fit(model, samples(model, digits.data), QAT(1), "fixed")


def test_a_file_tells_nothing_but_the_model(
    keras: ModuleType, network: Callable[..., Any], digits: Any, tmp_path: Path
) -> None:
    model = network(keras)
    path = save(model, tmp_path / "digits.keras")
    with zipfile.ZipFile(path) as archive:
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"1980-01-01" in archive.read("metadata.json")
        assert b"shared_object_id" not in archive.read("config.json")
    assert [each.name for each in tmp_path.iterdir()] == ["digits.keras"]
    read = READER.recognise(path, surroundings())
    assert read is not None
    np.testing.assert_array_equal(read.load().function(digits.x[:9])[0], model(digits.x[:9]))
    again = tmp_path / "again"
    again.mkdir()
    with held_native_output():
        copy = keras.models.load_model(path)
    assert save(copy, again / "digits.keras").read_bytes() == path.read_bytes()


_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from pytest_edgegate import QAT, EdgeData, EdgeTraining
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.saving import save
from pytest_edgegate.backends.keras.training import fit
from pytest_edgegate.testing.contract import CaseData, surroundings
import numpy as np

folder = Path(sys.argv[1])
data = np.load(folder / "digits.npz")
loaded = READER.recognise(folder / "digits.keras", surroundings()).load()
case = CaseData(EdgeData(train=(data["x"], data["y"])), training=EdgeTraining())
model = loaded.trainable()
fit(model, case.training(loaded.inputs), QAT(1, lr=1e-3), "digits")
save(model, folder / f"trained{sys.argv[2]}.keras")
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(
    another_process: Any,
    keras: ModuleType,
    network: Callable[..., Any],
    digits: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(network(keras, dropout=0.3), tmp_path / "digits.keras")
    np.savez(tmp_path / "digits.npz", x=digits.x[:600], y=digits.y[:600])
    monkeypatch.setattr(sys, "argv", ["program", str(tmp_path), "a"])
    exec(_ANOTHER_PROCESS, {})
    another_process(_ANOTHER_PROCESS, tmp_path, "b")
    trained = [(tmp_path / f"trained{name}.keras").read_bytes() for name in "ab"]
    assert trained[0] == trained[1] != (tmp_path / "digits.keras").read_bytes()
