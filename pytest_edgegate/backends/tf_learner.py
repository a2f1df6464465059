"""One step of a training in TensorFlow, traced once, whichever Keras the model is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import tool_errors
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.data.splits import Array

Forward = Callable[[Sequence[Any], bool], list[Any]]
"""(input tensors, whether in training) -> output tensors."""


class Learner:
    """Does one step of an optimizer on each batch that it is called with.

    ``loss(outputs, *targets)`` is a scalar tensor; what ``penalties()`` gives after the model was
    called (those of regularisers) is added to it. *specs* are the TensorSpecs of the inputs and,
    behind them, of the targets.
    """

    def __init__(
        self,
        tf: Any,
        forward: Forward,
        variables: Sequence[Any],
        optimizer: Any,
        loss: Callable[..., Any],
        penalties: Callable[[], Sequence[Any]],
        *,
        specs: Sequence[Any],
        inputs: int,
        seed: int,
        what: str,
    ) -> None:
        self._tf = tf
        self._specs = tuple(specs)
        self._what = what
        _build(optimizer, variables)

        def step(*tensors: Any) -> Any:
            # the seed of this graph alone: that of the process stays as it is
            tf.compat.v1.set_random_seed(seed)
            with tf.GradientTape() as tape:
                outputs = forward(tensors[:inputs], True)
                given = tf.cast(loss(outputs, *tensors[inputs:]), tf.float32)
                total = tf.add_n([given, *(tf.cast(each, tf.float32) for each in penalties())])
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
        with tool_errors(lambda error: _failed(self._what, error)):
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
    try:
        made = factory(lr)
    except Exception as error:  # whatever the user's factory raises
        raise _no_optimizer(_first_line(error)) from error
    if not (hasattr(made, "apply_gradients") and hasattr(made, "build")):
        raise _no_optimizer(f"it gives a {type(made).__name__}")
    return made


def _build(optimizer: Any, variables: Sequence[Any]) -> None:
    """One of another Keras, or one that was built for another model, is no optimizer of this."""
    try:
        optimizer.build(variables)
    except Exception as error:  # whatever an optimizer raises for variables that it can't take
        raise _no_optimizer(_first_line(error)) from error


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


def _no_optimizer(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the optimizer of edge_training makes no optimizer of the model's Keras: {reason}",
        "give a factory, not an optimizer: EdgeTraining(optimizer=lambda lr: "
        'keras.optimizers.SGD(lr), version="1")',
    )


def _failed(what: str, error: Exception) -> CompressionError:
    return CompressionError(
        f"the training of {what} failed: {_first_line(error)}",
        "TensorFlow's own traceback is at --tb=long; look at the loss and the optimizer of "
        "edge_training, and at layers of your own",
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300] or '(no message)'}"
