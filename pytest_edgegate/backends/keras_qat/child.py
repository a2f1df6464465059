"""The process for quantisation-aware training of Keras models, with Keras 2.

Importing tensorflow-model-optimization turns ``tf.keras`` into tf-keras for the whole process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras_qat.flat_graph import graph_from
from pytest_edgegate.backends.keras_qat.own_layers import annotated, own_layers
from pytest_edgegate.backends.keras_qat.ranges import calibrate, make_symmetric
from pytest_edgegate.backends.keras_qat.twin import build_twin, layer_names
from pytest_edgegate.backends.tf_learner import (
    BatchSpecs,
    Learner,
    TrainedModel,
    batch_spec,
    deterministic,
    hardware,
    make_optimizer,
)
from pytest_edgegate.backends.tf_losses import loss_by
from pytest_edgegate.core.errors import BackendUnavailableError, UnsupportedError
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.data.objectives import Objective
from pytest_edgegate.data.splits import Array

Arrays = tuple[Array, ...]
Answer = tuple[Mapping[str, Any], Arrays]


class QatTrainer:
    """Holds the twin of one model, then the model that simulates its quantisation."""

    def __init__(self) -> None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"  # of this process only
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._tf, self._keras, self._tfmot = _frameworks()
        self._commands: Mapping[str, Callable[[Mapping[str, Any], Arrays], Answer]] = {
            "build": self._build,
            "outputs": self._outputs,
            "quantise": self._quantise,
            "prepare": self._prepare,
            "learn": self._learn,
            "convert": self._convert,
        }

    def answer(self, command: str, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        return self._commands[command](fields, arrays)

    def _build(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Builds the model of the graph that the *arrays* are."""
        graph = graph_from(arrays)
        self._paths = {name: path for path, name in layer_names(graph).items()}
        self._model = build_twin(self._keras, graph)
        return {}, ()

    def _outputs(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """The model's outputs for a batch of its inputs."""
        return {}, _run(self._tf, self._model, arrays)

    def _quantise(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Puts the simulation of int8 into the model, with ranges by a batch of its inputs."""
        quantization = self._tfmot.quantization.keras
        try:
            with quantization.quantize_scope(dict(own_layers(self._keras))):
                quantised = quantization.quantize_apply(
                    annotated(self._keras, self._tfmot, self._model)
                )
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise self._refused(error) from error
        self._model = quantised
        if fields["symmetric"]:
            make_symmetric(self._model)
        calibrate(
            self._tf,
            self._model,
            lambda: _run(self._tf, self._model, arrays),
            symmetric=fields["symmetric"],
        )
        return {}, ()

    def _prepare(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """Makes ready to learn batches like *arrays*: the inputs and a target."""
        settings = EdgeTraining(optimizer=fields["optimizer"], seed=fields["seed"])
        self._keras.utils.set_random_seed(settings.seed)
        model, loss = self._model, loss_by(self._tf, Objective(**fields["objective"]))
        specs = [batch_spec(self._tf, each) for each in arrays]
        self._learner = Learner(
            self._tf,
            TrainedModel(
                fields["what"],
                lambda tensors, training: _called(model, tensors, training),
                learning(model),
                lambda: model.losses,
            ),
            make_optimizer(self._keras, settings, fields["lr"]),
            lambda outputs, target: loss(outputs[0], target),
            BatchSpecs(specs[:-1], specs[-1:]),
            settings.seed,
        )
        return hardware(self._tf), ()

    def _learn(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        with deterministic(self._tf):
            return {"loss": self._learner(arrays)}, ()

    def _convert(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """The bytes of the int8 .tflite file; its signature has the names of *fields*' inputs."""
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        tf, model = self._tf, self._model
        specs = [tf.TensorSpec((1, *shape), tf.float32, name) for name, shape in fields["inputs"]]
        function = tf.function(lambda *tensors: _called(model, tensors, False))
        frozen = convert_variables_to_constants_v2(function.get_concrete_function(*specs))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(fields["io"])
        return {}, (np.frombuffer(converter.convert(), np.uint8),)

    def _refused(self, error: Exception) -> UnsupportedError:
        """tensorflow-model-optimization's refusal, with the layer that it names."""
        text = " ".join(str(error).split())
        layers = [path for name, path in self._paths.items() if name in text]
        named = f" the layer {max(layers, key=len)!r} of" if layers else ""
        return UnsupportedError(
            f"tensorflow-model-optimization can't train{named} this model for int8: {text[:300]}",
            "build it of convolutions, Dense, pooling, Add and Concatenate, or use PTQ()",
        )


def learning(model: Any) -> list[Any]:
    """The variables that learn: not those of layers that the user has frozen, which the wrappers
    of tensorflow-model-optimization would train."""
    frozen = {
        id(weight)
        for each in model.layers
        if hasattr(each, "_weight_vars") and not each.layer.trainable
        for weight in (*each.layer.variables, *(weight for weight, *_ in each._weight_vars))
    }
    return [each for each in model.trainable_variables if id(each) not in frozen]


def _called(model: Any, tensors: Sequence[Any], training: bool) -> list[Any]:
    found = model(tensors[0] if len(tensors) == 1 else list(tensors), training=training)
    return list(found) if isinstance(found, list | tuple) else [found]


def _run(tf: Any, model: Any, arrays: Arrays) -> Arrays:
    found = _called(model, [tf.constant(array) for array in arrays], False)
    return tuple(np.asarray(each, np.float32) for each in found)


def _frameworks() -> tuple[Any, Any, Any]:
    try:
        import tensorflow as tf
        import tensorflow_model_optimization as tfmot
        import tf_keras
    except ImportError as error:
        raise BackendUnavailableError(
            (error.name or "tensorflow-model-optimization").replace("_", "-"),
            "quantisation-aware training of a Keras model",
            "keras",
        ) from error
    return tf, tf_keras, tfmot
