"""Pruning of Keras models as a step of a recipe, on the example's model and its real digits."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData, Prune
from pytest_edgegate.backends.keras.prune import TRANSFORM
from pytest_edgegate.backends.keras.pruning.macs import count_macs
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.litert.from_keras import TRANSFORM as TO_LITERT
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.backends.onnx.inspector import INSPECTOR as ONNX_INSPECTOR
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import ChecksAhead, Inspector, Produced, SourceModel, Transform
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.planner import float_target
from pytest_edgegate.testing.contract import CaseData, surroundings

EXAMPLE = Path(__file__).resolve().parents[3] / "example_project"
Apply = Callable[..., Produced]


def recognised(given: object, *, allow_code: bool = False) -> SourceModel:
    found = READER.recognise(given, surroundings(allow_code=allow_code))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def digits() -> EdgeData:
    """512 digits to learn from."""
    found = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    return EdgeData(
        train=(found.x_train[:512], found.y_train[:512]),
        evaluation=(found.x_evaluate[:500], found.y_evaluate[:500]),
    )


@pytest.fixture(scope="module")
def apply(tmp_path_factory: pytest.TempPathFactory, host: Target) -> Apply:
    """Prunes a model; the training is one of small batches, unless it is given."""

    def run(
        model: object,
        data: EdgeData,
        step: Step = PRUNE,
        out: Path | None = None,
        training: EdgeTraining | None = None,
    ) -> Produced:
        folder = out or tmp_path_factory.mktemp("pruned")
        case = CaseData(data, training=training or EdgeTraining(batch_size=32))
        return TRANSFORM.apply(recognised(model), step, host, case, folder)

    return run


PRUNE = Prune(0.3, epochs=2, lr=1e-3)
MODEL = EXAMPLE / "models" / "digits.keras"


@pytest.fixture(scope="module")
def pruned(apply: Apply, digits: EdgeData) -> Produced:
    return apply(MODEL, digits)


def _filters(model: Any) -> dict[str, int]:
    return {each.name: each.filters for each in model.layers if type(each).__name__ == "Conv2D"}


def test_every_layer_loses_its_share(pruned: Produced) -> None:
    before = recognised(MODEL).load().framework_model
    after = recognised(pruned.main).load().framework_model
    expected = {name: count - count * 3 // 10 for name, count in _filters(before).items()}
    assert _filters(after) == expected
    assert pruned.facts["filters"]["features_pointwise"] == [128, 90]
    assert pruned.facts["filters"]["residual_a_depthwise"] == [48, 34]
    assert pruned.facts["kept"] == {"probabilities": "makes an output of the model"}
    assert pruned.facts["parameters"] == [before.count_params(), after.count_params()]
    assert pruned.facts["macs"] == [count_macs(before).total, count_macs(after).total]
    assert not pruned.notes


def test_it_learns_again_what_it_lost(pruned: Produced, digits: EdgeData) -> None:
    first, last = pruned.facts["training"]["losses"]
    assert last < first / 2
    x, y = digits.evaluation
    with RUNTIME.open(recognised(pruned.main)) as runner:
        [scores] = runner.infer((x,))
    assert (scores.argmax(1) == y).mean() > 0.9


@pytest.mark.parametrize(
    ("transform", "inspector", "kinds"),
    [
        (TO_LITERT, INSPECTOR, ("CONV_2D", "DEPTHWISE_CONV_2D")),
        (TO_ONNX, ONNX_INSPECTOR, ("Conv",)),
    ],
)
def test_what_is_made_of_it_is_smaller(
    pruned: Produced,
    host: Target,
    tmp_path: Path,
    transform: Transform,
    inspector: Inspector,
    kinds: tuple[str, ...],
) -> None:
    form = transform.moves[0].result[0]
    described, sizes = [], []
    for path in (MODEL, pruned.main):
        folder = tmp_path / str(len(sizes))
        folder.mkdir()
        made = transform.apply(
            recognised(path), None, float_target(host, form), CaseData(EdgeData()), folder
        )
        described.append(inspector.describe(made.main))
        sizes.append(made.main.stat().st_size)
    assert sizes[1] < 0.65 * sizes[0]
    widths = [
        [each.inputs[1].shape for each in one.operators if each.kind in kinds and each.inputs[1]]
        for one in described
    ]
    assert len(widths[0]) == len(widths[1]) == 11
    assert all(np.prod(after) < np.prod(before) for before, after in zip(*widths, strict=True))
    assert [each.macs for each in described] == pruned.facts["macs"]


def test_the_same_recipe_gives_the_same_bytes(
    apply: Apply, pruned: Produced, digits: EdgeData
) -> None:
    assert apply(MODEL, digits).main.read_bytes() == pruned.main.read_bytes()


def test_names_and_structures_stay(apply: Apply, keras: Any) -> None:
    layers = keras.layers
    zeta, alpha = keras.Input((6, 6, 1), name="zeta"), keras.Input((4,), name="alpha")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(10, 3, name="conv")(zeta))
    x = layers.Add()([x, layers.Dense(10, name="dense")(alpha)])
    outputs = {"scores": layers.Dense(3, name="scores")(x), "box": layers.Dense(4, name="box")(x)}
    model = keras.Model({"zeta": zeta, "alpha": alpha}, outputs, name="named")
    random = np.random.default_rng(0)
    x_train = {"zeta": random.normal(size=(32, 6, 6, 1)), "alpha": random.normal(size=(32, 4))}
    training = EdgeTraining(loss=_first_output, version="1")
    produced = apply(model, EdgeData(train=(x_train, np.arange(32) % 3)), training=training)
    before, after = recognised(model).load(), recognised(produced.main).load()
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    assert isinstance(after.framework_model.input, dict)
    assert produced.facts["filters"] == {"conv": [10, 7], "dense": [10, 7]}


def _first_output(labels: Any, outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.square(outputs[0] - tf.one_hot(labels, outputs[0].shape[-1])))


# What can't be pruned


@pytest.fixture(scope="module")
def few(samples: Any) -> EdgeData:
    """For models of the shared fixtures: images of (6, 6, 2), three classes."""
    return EdgeData(train=(samples, np.arange(len(samples)) % 3))


class Unread:
    """A train split that nobody may learn from."""

    def __iter__(self) -> Any:
        raise AssertionError("the training has begun")


def _with(keras: Any, *between: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(10, 3, name="conv"),
            *between,
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="scores"),
        ],
        name="net",
    )


def test_a_layer_that_is_not_covered_is_told(apply: Apply, keras: Any, few: EdgeData) -> None:
    layers = keras.layers
    model = _with(keras, layers.LayerNormalization(name="norm"), layers.Conv2D(10, 3, name="more"))
    produced = apply(model, few, Prune(0.3, epochs=1))
    why = "norm (LayerNormalization) mixes channels"
    assert produced.notes == (
        f"Prune(amount=0.3, epochs=1) removed no filter from these layers of net: conv: {why}",
    )
    assert produced.facts["kept"] == {"conv": why, "scores": "makes an output of the model"}


def test_nothing_to_prune_is_told_before_any_training(apply: Apply, keras: Any) -> None:
    model = _with(keras, keras.layers.LayerNormalization(name="norm"))
    with pytest.raises(UnsupportedError) as raised:
        apply(model, EdgeData(train=Unread(), version="1"))
    assert str(raised.value) == (
        "edgegate error: Prune(amount=0.3, epochs=2, lr=0.001) finds no filter to remove in net "
        "(conv: norm (LayerNormalization) mixes channels; scores: makes an output of the model)\n"
        "leave Prune out of the recipe, or give a larger amount where layers are too small"
    )


@pytest.mark.parametrize("form", ["old h5", "live tf-keras"])
def test_models_of_tf_keras_are_refused(
    apply: Apply, models: dict[str, Any], few: EdgeData, form: str
) -> None:
    with pytest.raises(UnsupportedError, match=r"is a model of tf-keras.*\n.*model\.keras"):
        apply(models[form], few)


def test_a_model_with_a_call_of_its_own_is_refused(apply: Apply, keras: Any) -> None:
    class Doubled(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return 2 * super().call(inputs, training=training)

    plain = _with(keras)
    model = Doubled(plain.inputs, plain.outputs, name="doubled")
    with pytest.raises(UnsupportedError, match="doubled has its own call"):
        apply(model, EdgeData(train=Unread(), version="1"))


def test_a_layer_of_the_users_own_keeps_what_it_reads(
    apply: Apply, keras: Any, few: EdgeData
) -> None:
    """The live model works; its file holds code, which is only run where the user trusts it."""

    @keras.saving.register_keras_serializable("mine")
    class Halved(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs / 2

    model = _with(keras, Halved(name="half"), keras.layers.Conv2D(10, 3, name="more"))
    produced = apply(model, few, Prune(0.3, epochs=1))
    assert produced.facts["kept"]["conv"] == "half (Halved) is not one of Keras's own layers"
    assert produced.facts["filters"] == {"more": [10, 7]}
    with pytest.raises(UnsupportedError, match="edge_allow_code"):
        recognised(produced.main).load()
    loaded = recognised(produced.main, allow_code=True).load()
    assert loaded.framework_model.get_layer("more").filters == 7


def test_a_layer_that_no_file_can_hold_is_told_before_any_training(
    apply: Apply, keras: Any
) -> None:
    class Unregistered(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs / 2

    model = _with(keras, Unregistered(), keras.layers.Conv2D(10, 3))
    with pytest.raises(UnsupportedError, match=r"could not be read back.*Unregistered"):
        apply(model, EdgeData(train=Unread(), version="1"))


def test_a_training_that_diverges_leaves_nothing(
    apply: Apply, small: Any, few: EdgeData, tmp_path: Path
) -> None:
    with pytest.raises(CompressionError, match=r"(?s)diverged.*smaller learning rate"):
        apply(small, few, Prune(0.5, epochs=20, lr=1e30), tmp_path)
    assert not list(tmp_path.iterdir())


def test_labels_that_do_not_fit_are_told(apply: Apply, small: Any, samples: Any) -> None:
    with pytest.raises(ConfigurationError, match="labels go from 0 to 23"):
        apply(small, EdgeData(train=(samples, np.arange(24))), Prune(0.5))


def test_what_an_earlier_training_would_be_in_vain_for_is_told_ahead(
    keras: Any,
    small_tf_keras: Any,
    small: Any,
    few: EdgeData,
    samples: Any,
    host: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_edgegate.backends.keras.prune.fit", None)
    assert isinstance(TRANSFORM, ChecksAhead)

    def check(model: object, data: EdgeData, step: Step = PRUNE, **settings: Any) -> None:
        training = EdgeTraining(version="1", **settings)
        TRANSFORM.check(recognised(model), step, host, CaseData(data, training=training))

    check(small, few)
    with pytest.raises(UnsupportedError, match="is a model of tf-keras"):
        check(small_tf_keras, few)
    with pytest.raises(UnsupportedError, match="finds no filter to remove"):
        check(small, few, Prune(0.01))
    with pytest.raises(ConfigurationError, match="labels go from 0 to 23"):
        check(small, EdgeData(train=(samples, np.arange(24))))
    with pytest.raises(ConfigurationError, match="has no labels"):
        check(small, EdgeData(train=(samples, None)))
    with pytest.raises(ConfigurationError, match="it gives a NoneType"):
        check(small, few, optimizer=lambda lr: None)


def test_the_model_under_test_stays_as_it_was(apply: Apply, small: Any, few: EdgeData) -> None:
    before = [weight.copy() for weight in small.get_weights()]
    apply(small, few, Prune(0.5, epochs=1))
    for one, other in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
