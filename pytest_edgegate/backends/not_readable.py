"""The errors for files that are whole and that a runtime can't read, uniform for every format.

A file with an operator that its runtime lacks is not damaged, and making it again would not help.
"""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.core.environment import versions
from pytest_edgegate.core.errors import InferenceError


def installed(package: str, title: str) -> str:
    """The runtime with its version: ``ONNX Runtime 1.23``."""
    return f"{title} {versions(package).get(package, 'as installed here')}"


def lacks_operator(
    path: Path, operator: str, runtime: str, having: str, way: str
) -> InferenceError:
    """The error for an *operator* that a *runtime* does not have.

    *having*: the runtimes that have it. *way*: how to make a file without it.
    """
    return InferenceError(
        f"{path.name} has the operator {operator}, which {runtime} does not have: the file is not "
        f"damaged, but it can't be read here; {having}",
        way,
    )


def too_new(path: Path, version: str, runtime: str, newest: str, way: str) -> InferenceError:
    """The error for a file of a newer *version* than the *newest* that a *runtime* reads."""
    return InferenceError(
        f"{path.name} is of {version}, and {runtime} reads up to {newest}: the file is not "
        "damaged, but it can't be read here",
        way,
    )
