"""OpenVINO's Python packages report their use to their vendor, unless they run in a CI job.

They do so when they are imported and when they convert a model.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from pytest_edgegate.tidy.variables import environment_with


def unreported() -> AbstractContextManager[None]:
    """Simulates a CI job, so that nothing is sent."""
    return environment_with({"CI": "true", "NNCF_CI": "1"})
