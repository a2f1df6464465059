"""Reads HDF5 files once in a separate process, before any loader opens them here.

The native library crashes on some damaged files and hangs on others. A file that was read there
completely is read here by the same calls.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.vetting import hdf5
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
)
from pytest_edgegate.reading.archives import opened
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.systems.processes import end_after, in_every_fork, was_ended_by_time
from pytest_edgegate.tidy.child import Child, spell_end, start_python

_SECONDS = 10
_BYTES_A_SECOND = 10_000_000
"""The speed of a slow disk, for the time limit beyond _SECONDS."""
_MISSING = "h5py is missing"
_MAIN = "from pytest_edgegate.backends.keras.vetting.trial import main; main()"
AGAIN = "save it again with model.save('model.keras'), or return the model object from edge_model"


@dataclass(frozen=True)
class Found:
    """The findings about the HDF5 of a file."""

    config: str | None
    """The configuration of the model in an ``.h5`` file."""
    reaching: tuple[str, ...]
    """References out of the file."""


class Trial:
    """One file that the reader processes in parallel."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = _SECONDS + path.stat().st_size // _BYTES_A_SECOND
        self._outcome: Found | EdgeGateError | None = None
        self._reader = _reader()
        self._reader.begin(self, {"path": str(path), "seconds": self._seconds})

    def found(self) -> Found:
        """Raises ConfigurationError for a file that can't be read, or that ends its reader."""
        self.settle()
        if isinstance(self._outcome, EdgeGateError):
            raise self._outcome
        assert self._outcome is not None  # settled above
        return self._outcome

    def settle(self) -> None:
        """Waits for the answer, if it is not there yet."""
        if self._outcome is None:
            try:
                self._outcome = self._read(self._reader.finish())
            except EdgeGateError as error:
                self._outcome = error

    def _read(self, said: bytes) -> Found:
        if not said.endswith(b"\n"):
            raise self._unreadable(_spelled(self._reader.code(), self._seconds))
        answer = json.loads(said)
        if answer["error"] == _MISSING:
            raise BackendUnavailableError("h5py", "a Keras model", "keras")
        if answer["error"]:
            raise self._unreadable(answer["error"])
        return Found(answer["config"], tuple(answer["reaching"]))

    def _unreadable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._path.name} can't be read as a Keras model: {reason}", AGAIN
        )


class _Reader:
    """The process, kept for the next file. It ends with the pipe that it listens to."""

    def __init__(self) -> None:
        self._process: Child | None = None
        self._at: Trial | None = None

    def begin(self, trial: Trial, question: Mapping[str, Any]) -> None:
        """Sends a question, after settling an answer that is still outstanding."""
        if self._at is not None:
            self._at.settle()
        stream = self._running().writer
        with suppress(BrokenPipeError):  # then the answer is that it has ended
            stream.write(json.dumps(question).encode() + b"\n")
            stream.flush()
        self._at = trial

    def finish(self) -> bytes:
        """The line that answers; cut short where the process has ended."""
        process = self._running()
        self._at = None
        try:
            return process.reader.readline()
        except BaseException:  # an interrupt: the next file would get this one's answer
            process.close()
            self._process = None
            raise

    def code(self) -> int:
        """The exit status of the ended process, which is then forgotten."""
        process, self._process = self._running(), None
        code = process.wait()
        process.close()
        return code

    def _running(self) -> Child:
        if self._process is None:
            self._process = start_python(_MAIN)
        return self._process


@cache
def _reader() -> _Reader:
    return _Reader()


in_every_fork(_reader.cache_clear)  # two would share its pipes


def _spelled(code: int, seconds: int) -> str:
    if was_ended_by_time(code):
        return f"HDF5 was still reading it after {seconds} s"
    return f"HDF5 ended the process that read it ({spell_end(code)})"


def main() -> None:
    """The process: each line of stdin asks for a file, each line of stdout answers."""
    go = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps native output out of the answers
    with suppress(ImportError):  # reported per file; imported before the clock
        import h5py  # noqa: F401
    for line in sys.stdin:
        asked = json.loads(line)
        end_after(asked["seconds"])
        go.write(json.dumps(_answer(Path(asked["path"]))) + "\n")
        go.flush()
        end_after(0)
    os._exit(0)  # skips closing a damaged file, which may crash


def _answer(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = {"config": None, "reaching": [], "error": ""}
    try:
        answer["config"], answer["reaching"] = _looked(path)
    except ImportError:
        answer["error"] = _MISSING
    except Exception as error:  # noqa: BLE001 - h5py may raise anything; it is sent to the session
        answer["error"] = reason_of(error)
    return answer


def _looked(path: Path) -> tuple[str | None, list[str]]:
    if not _is_archive(path):
        with path.open("rb") as raw, hdf5.open_hdf5(raw) as file:
            reaching = list(hdf5.faults(file))
            return hdf5.text_of(file, "model_config"), reaching or list(_read_through(file))
    found: list[str] = []
    with opened(path, lambda reason: ConfigurationError(reason, AGAIN)) as archive:
        for name in archive.names:
            if name.lower().endswith((".h5", ".hdf5")):
                with hdf5.open_hdf5(archive.seekable(name)) as file:
                    found += list(hdf5.faults(file)) or list(_read_through(file))
    return None, found


def _read_through(file: Any) -> Iterator[str]:
    """Reads every value of the file; what its texts come to may be absurd."""
    import h5py

    found = 0

    def read(name: str, each: Any) -> None:
        nonlocal found
        found += sum(map(_length, dict(each.attrs).values()))
        if isinstance(each, h5py.Dataset):
            found += _length(each[()])

    read("", file)
    file.visititems(read)
    size = file.id.get_filesize()
    if found > hdf5.FREE_BYTES + hdf5.INFLATION * size:
        yield f"texts of {found} bytes in a file of {size}"


def _length(value: Any) -> int:
    """Bytes of texts and of sequences: many of them may be one and the same piece of the file."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(map(_length, value))
    if getattr(getattr(value, "dtype", None), "hasobject", False):
        return _length(value.tolist())
    return int(getattr(value, "nbytes", 0))


def _is_archive(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(4) == b"PK\x03\x04"
