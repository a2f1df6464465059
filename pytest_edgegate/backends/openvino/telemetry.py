"""OpenVINO's Python packages report their use to their vendor, unless they run in a CI job.

They do so when they are imported and when they convert a model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = {"CI": "true", "NNCF_CI": "1"}


@contextmanager
def unreported() -> Iterator[None]:
    """Has them believe so: a gate sends nothing to anybody."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(_VARIABLES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
