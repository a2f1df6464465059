"""Training: the user's settings, and the batches of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any

from pytest_edgegate.core.arguments import tells_arguments
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

LOSSES = ("crossentropy", "binary_crossentropy", "mse", "mae")
OPTIMIZERS = ("adam", "adamw", "sgd")
"""``sgd`` has a momentum of 0.9."""


@tells_arguments
@dataclass(frozen=True, eq=False, repr=False)
class EdgeTraining:
    """How recipes train; return one from the fixture ``edge_training``. Every field has a default.

    ``loss``: a name (crossentropy, binary_crossentropy, mse, mae), or your own in the convention
    of the framework that is trained: ``loss(outputs, labels)`` of torch tensors, or
    ``loss(labels, outputs)`` of Keras tensors, a Keras loss object too. None: by the labels, the
    cross-entropy of class indices or one-hot rows, else the mean squared error.
    ``distill_loss``: replaces the whole loss of Distill, ``distill_loss(student, teacher, labels)``
    of the framework's tensors: for models that do not classify.
    ``optimizer``: a name (adam, adamw, sgd), or a factory: ``optimizer(parameters, lr)`` gives a
    torch optimizer, ``optimizer(lr)`` a Keras one.
    ``augment``: ``augment(x, rng)`` gives the x of a training batch as ``edge_data`` has it (an
    array of shape (n, ...), or a tuple of them), changed; ``rng`` is a seeded
    ``numpy.random.Generator``.
    ``batch_size``: samples a step, of arrays; a stream brings its own batches.
    ``seed``: of the order, of the augmentation and of what the framework draws.
    ``version`` identifies your own functions in the cache, which cannot see their content: it has
    to be given with them, and changed with them.
    """

    _: KW_ONLY
    loss: Any = None
    distill_loss: Callable[..., Any] | None = None
    optimizer: Any = "adam"
    augment: Callable[..., Any] | None = None
    batch_size: int = 64
    seed: int = 0
    version: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.loss, str) and self.loss not in LOSSES:
            raise UnknownNameError("loss", self.loss, LOSSES, "EdgeTraining")
        if isinstance(self.optimizer, str) and self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS, "EdgeTraining")
        for name, least in (("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    f"EdgeTraining({name}={value!r}): {name} is a whole number from {least}",
                    f"leave it out for the default, {getattr(EdgeTraining, name)}",
                )
        for name in ("augment", "distill_loss"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigurationError(
                    f"EdgeTraining({name}={value!r}): {name} is a function", "give a function"
                )
        if self._own and not self.version:
            raise ConfigurationError(
                f"EdgeTraining({self._own[0]}=...) is your own function, whose content the cache "
                "can't identify",
                'add a version: EdgeTraining(..., version="1"), changed with the function',
            )

    def __repr__(self) -> str:
        changed = [each for each in fields(self) if getattr(self, each.name) != each.default]
        shown = ", ".join(f"{each.name}={_in_short(getattr(self, each.name))}" for each in changed)
        return f"EdgeTraining({shown})"

    @property
    def _own(self) -> list[str]:
        given = {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "augment": self.augment,
            "distill_loss": self.distill_loss,
        }
        return [
            name for name, each in given.items() if each is not None and not isinstance(each, str)
        ]

    def identity(self) -> dict[str, object]:
        """Everything that affects a training, for cache keys."""

        def known(value: Any) -> object:
            return value if value is None or isinstance(value, str) else "own"

        return {
            "loss": known(self.loss),
            "distill_loss": known(self.distill_loss),
            "optimizer": known(self.optimizer),
            "augment": known(self.augment),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "version": self.version if self._own else None,
        }


@dataclass(frozen=True)
class TrainingBatch:
    """Samples of one step, in the order, dtypes and axes of the trained model's inputs.

    ``inputs``: an array of shape (n, ...) for each. ``labels``: as the user gave them, or None.
    ``teacher``: the teacher's first output for the same samples, of shape (n, ...), unchanged;
    None without distillation.
    """

    inputs: tuple[Array, ...]
    labels: Array | None
    teacher: Array | None = None

    def __len__(self) -> int:
        return len(self.inputs[0])


def _in_short(value: object) -> str:
    """Functions by their name."""
    return str(getattr(value, "__name__", repr(value)))
