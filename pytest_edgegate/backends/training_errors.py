"""The errors of trainings, in the words of every framework."""

from __future__ import annotations

from pytest_edgegate.core.errors import CompressionError, ConfigurationError


def no_optimizer(kind: str, reason: str, example: str) -> ConfigurationError:
    """The error for a factory of the user's that makes no *kind*; *example* is one that does."""
    return ConfigurationError(
        f"the optimizer of edge_training makes no {kind}: {reason}",
        f'give a factory: EdgeTraining(optimizer={example}, version="1")',
    )


def training_failed(what: str, reason: str, remedy: str) -> CompressionError:
    """The error for a training of the model *what* in which something raised."""
    return CompressionError(f"the training of {what} failed: {reason}", remedy)
