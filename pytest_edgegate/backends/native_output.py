"""Keeps the output and the warnings of frameworks off the terminal, available for errors."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO

from pytest_edgegate.tidy.scratch import SCRATCH

_DEAF = ("torch.__trace",)
"""Loggers that ``logging.disable`` does not reach; pytest has handlers at them all."""


class NativeOutput:
    """The lines that were printed while it was held."""

    def __init__(self, kept: IO[bytes]) -> None:
        self._kept = kept

    def errors(self) -> str:
        """The lines that native code marked as errors, or an empty string."""
        lines = self.lines()
        return " ".join(
            line.removeprefix("ERROR: ").strip() for line in lines if line.startswith("ERROR")
        )

    def lines(self) -> list[str]:
        """All lines, without empty ones."""
        self._kept.seek(0)
        lines = self._kept.read().decode("utf-8", "replace").splitlines()
        return [line for line in lines if line.strip()]


@contextmanager
def held_native_output() -> Iterator[NativeOutput]:
    """Redirects the process's stdout and stderr, as native code sees them, into a file.

    Temporary files of the frameworks go into the scratch folder of the session. Their warnings and
    log lines are dropped: they are about internals, and a run with ``-W error`` must not fail on
    them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with (
        SCRATCH.temporary_files(),
        tempfile.TemporaryFile() as kept,
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        warnings.catch_warnings(action="ignore"),
        _no_logging(),
    ):
        saved = [(number, os.dup(number)) for number in (1, 2)]
        try:
            for number, _ in saved:
                os.dup2(kept.fileno(), number)
            yield NativeOutput(kept)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


@contextmanager
def _no_logging() -> Iterator[None]:
    """TensorFlow logs through absl, ONNX Runtime's tools through the root logger."""
    before = logging.root.manager.disable
    deaf = [(each, each.disabled) for each in map(logging.getLogger, _DEAF)]
    logging.disable(logging.CRITICAL)
    for logger, _ in deaf:
        logger.disabled = True
    try:
        yield
    finally:
        logging.disable(before)
        for logger, disabled in deaf:
            logger.disabled = disabled
