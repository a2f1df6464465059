"""One traced training step in TensorFlow, for Keras 3 and tf-keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import all_lines, tool_errors
from pytest_edgegate.backends.training_errors import no_optimizer, training_failed
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.data.splits import Array

_KIND = "optimizer of the model's Keras"
_EXAMPLE = "lambda lr: keras.optimizers.SGD(lr)"

Forward = Callable[[Sequence[Any], bool], list[Any]]
"""(input tensors, whether in training) -> output tensors."""


@dataclass(frozen=True)
class TrainedModel:
    """A model as a training sees it; ``name`` is what messages call it."""

    name: str
    forward: Forward
    variables: Sequence[Any]
    penalties: Callable[[], Sequence[Any]]
    """Scalar tensors that are added to the loss after each call: those of regularisers."""


@dataclass(frozen=True)
class BatchSpecs:
    """The TensorSpecs of a batch: of its inputs, and of what a loss compares outputs with."""

    inputs: Sequence[Any]
    targets: Sequence[Any]


class Learner:
    """Does one step of an optimizer on each batch that it is called with.

    ``loss(outputs, *targets)`` is a scalar tensor.
    """

    def __init__(
        self,
        tf: Any,
        model: TrainedModel,
        optimizer: Any,
        loss: Callable[..., Any],
        batch: BatchSpecs,
        seed: int,
    ) -> None:
        self._tf = tf
        self._specs = (*batch.inputs, *batch.targets)
        self._name = model.name
        inputs, variables = len(batch.inputs), model.variables
        with tool_errors(_no_optimizer):  # one of another Keras, or built for another model
            optimizer.build(variables)

        def step(*tensors: Any) -> Any:
            # the seed of this graph alone: that of the process stays as it is
            tf.compat.v1.set_random_seed(seed)
            with tf.GradientTape() as tape:
                outputs = model.forward(tensors[:inputs], True)
                given = tf.cast(loss(outputs, *tensors[inputs:]), tf.float32)
                penalties = [tf.cast(each, tf.float32) for each in model.penalties()]
                total = tf.add_n([given, *penalties])
            gradients = tape.gradient(total, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return total

        self._step = tf.function(step, input_signature=self._specs, autograph=False)
        self._traced = False

    def __call__(self, arrays: Sequence[Array]) -> float:
        """The loss before the step. Raises CompressionError."""
        tensors = [
            self._tf.constant(array, spec.dtype)
            for array, spec in zip(arrays, self._specs, strict=True)
        ]
        with tool_errors(lambda error: _failed(self._name, error)):
            if self._traced:
                return float(self._step(*tensors))
            with held_native_output():
                loss = float(self._step(*tensors))
            self._traced = True
            return loss


def batch_spec(tf: Any, array: Array) -> Any:
    """The TensorSpec of a batch of samples like those of *array*."""
    return tf.TensorSpec((None, *array.shape[1:]), array.dtype)


def make_optimizer(keras: Any, settings: EdgeTraining, lr: float) -> Any:
    """An optimizer of that Keras, by name or by the user's factory. Raises ConfigurationError."""
    if not isinstance(settings.optimizer, str):
        return _by_factory(settings.optimizer, lr)
    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
    }
    options = {"momentum": 0.9} if settings.optimizer == "sgd" else {}
    return kinds[settings.optimizer](learning_rate=lr, **options)


def _by_factory(factory: Callable[..., Any], lr: float) -> Any:
    with tool_errors(_no_optimizer):
        made = factory(lr)
    if not (hasattr(made, "apply_gradients") and hasattr(made, "build")):
        raise no_optimizer(_KIND, f"it gives a {type(made).__name__}", _EXAMPLE)
    return made


@contextmanager
def deterministic(tf: Any) -> Iterator[None]:
    """Kernels whose results do not depend on the order of threads; as before afterwards."""
    from tensorflow.python.framework import config  # what is public can't be undone

    before = config.is_op_determinism_enabled()
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if not before:
            config.disable_op_determinism()


def hardware(tf: Any) -> dict[str, Any]:
    """The device that TensorFlow trains on, and how many threads an operator of the CPU may use
    (0: as many as TensorFlow likes)."""
    found = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(found[0]) if found else {}
    return {
        "device": f"GPU {details.get('device_name', '')}".strip() if found else "CPU",
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
    }


def _no_optimizer(error: Exception) -> ConfigurationError:
    return no_optimizer(_KIND, all_lines(error), _EXAMPLE)


def _failed(what: str, error: Exception) -> CompressionError:
    return training_failed(
        what,
        all_lines(error),
        "TensorFlow's own traceback is at --tb=long; look at the loss and the optimizer of "
        "edge_training, and at layers of your own",
    )
