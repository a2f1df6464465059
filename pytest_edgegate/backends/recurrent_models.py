"""Recurrent Keras models that can't be converted to integers, and the ways out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_edgegate.core.errors import UnsupportedError

MOST_STEPS = 500
"""Time steps that are unrolled. Converting an LSTM of 64 units takes 9 s of a processor at 100
steps, for 2,091 operators and 518 kB; at 500 steps 50 s and 2 GB of memory, for 10,491 operators
and 2.5 MB."""
FUSED = (
    "convert an LSTM of tf-keras, with its own activations and no mask, to its fused operator with "
    "tf.lite.TFLiteConverter.from_keras_model(model), its Input of batch_shape=(1, steps, "
    "features), and gate that file"
)
"""The form whose size does not depend on the steps. GRU, SimpleRNN, an LSTM with a mask or with
other activations than its default ones and ``RNN(LSTMCell(...))`` stay loops, which TensorFlow's
int8 calibrator does not survive."""
ONE_DIRECTION = (
    "for a layer that reads backwards (Bidirectional, go_backwards=True), as an LSTM of its own "
    "with an Input of its own, which is given x[:, ::-1]"
)
"""What else the fused form needs, if chips without REVERSE_V2 are to run it."""
OF_LSTM_ONLY = (
    "train an LSTM in place of GRU, SimpleRNN and other cells, which have no fused operator"
)


def refuse_convolutional(name: str, layers: Sequence[str]) -> None:
    """Refuses layers that have a loop whatever is set. Raises UnsupportedError."""
    if layers:
        raise UnsupportedError(
            f"{name} has a ConvLSTM of tf-keras ({', '.join(layers)}), which can't be unrolled, "
            "and TensorFlow's int8 calibrator ends the process on loops",
            "build the same model with Keras 3, whose ConvLSTM can be, move the weights, "
            "new.set_weights(old.get_weights()), and return it from edge_model; where the old one "
            "has hard_sigmoid, its default, write recurrent_activation=lambda x: "
            "keras.ops.clip(0.2 * x + 0.5, 0, 1), since that of Keras 3 is another function",
        )


def refuse_free_steps(name: str, layers: Sequence[str], steps: Sequence[int | None]) -> None:
    """Refuses loops over a number of steps that is known when it runs. Raises UnsupportedError."""
    if None in steps:
        raise UnsupportedError(
            f"{name} has recurrent layers ({', '.join(layers)}), and one of them gets a number of "
            "time steps that depends on the sample, so it can't be unrolled for int8",
            "give the tensor before it a fixed length: keras.layers.Reshape((steps, features))",
        )


@dataclass(frozen=True)
class Reading:
    """How recurrent layers read a sequence, which decides whether they have a fused form."""

    others: bool
    """Whether one is no LSTM."""
    backwards: bool
    """Whether one reads from the end."""

    @property
    def fused(self) -> str:
        """The way to fused operators."""
        way = f"{OF_LSTM_ONLY}, and {FUSED}" if self.others else FUSED
        return f"{way}; {ONE_DIRECTION}" if self.backwards else way


def refuse_too_many_steps(name: str, layers: Sequence[str], steps: int, reading: Reading) -> None:
    """Refuses what would make a file that no board holds. Raises UnsupportedError."""
    if steps > MOST_STEPS:
        raise UnsupportedError(
            f"the recurrent layers of {name} ({', '.join(layers)}) loop over {steps:,} time steps, "
            f"and an int8 file has them unrolled, about 20 operators for each: {MOST_STEPS} are "
            "the limit",
            "shorten the sequence before them (a window, a strided convolution, pooling), or "
            f"{reading.fused}; layers that are built with unroll=True have no limit",
        )
