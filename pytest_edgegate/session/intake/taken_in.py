"""Private copies of third-party files, so that the measured bytes are the digested ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.ports import DeclaresInputs, LoadedModel, SourceModel
from pytest_edgegate.reading.copies import PrivateCopy, changed, signature
from pytest_edgegate.session.intake.foreign_files import reading
from pytest_edgegate.tidy.scratch import SCRATCH


class TakenIn:
    """A model in files that may be overwritten at any time.

    Its digest, which is all that a run with a warm cache needs, comes from the files themselves.
    For anything else they are copied once, and the copy, recognised by the same reader, has to
    agree with that digest; the originals are not read again. Messages and reports name the
    originals.
    """

    def __init__(
        self, found: SourceModel, path: Path, recognise: Callable[[Path], SourceModel | None]
    ) -> None:
        self._found = found
        self.path = path
        self._recognise = recognise
        self._digest = ""
        self._node: tuple[str, str] | None = None
        self._seen = signature(path, found.files)

    def is_current(self) -> bool:
        """Whether its files are unchanged since it was recognised."""
        with reading_volatile(self.path):
            return signature(self.path, self._found.files) == self._seen

    @property
    def name(self) -> str:
        return self._found.name

    @property
    def runtime(self) -> str:
        return self._found.runtime

    @property
    def note(self) -> str:
        return self._found.note

    @property
    def node(self) -> tuple[str, str]:
        if self._node is None:
            with reading_volatile(self.path):
                self._node = self._nearest.node
        return self._node

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's files; their content is read from the files of ``ready``."""
        with reading_volatile(self.path):
            return self.copy.originals if self._is_copied else self._found.files

    def digest(self) -> str:
        if not self._digest:
            with reading_volatile(self.path):
                self._digest = self._nearest.digest()
        return self._digest

    def declared_inputs(self) -> tuple[TensorInfo, ...]:
        with reading_volatile(self.path):
            found = self._nearest
            return found.declared_inputs() if isinstance(found, DeclaresInputs) else ()

    def load(self) -> LoadedModel:
        return self.ready.load()

    @cached_property
    def ready(self) -> SourceModel:
        """The model in the copy. Raises ConfigurationError if it differs."""
        try:
            again = self._recognise(self.copy.path)
            agrees = again is not None and self._agrees(again)
        except EdgeGateError as error:
            if self.copy.is_same():
                raise
            raise changed(self.path) from error
        if again is None or not agrees:
            raise changed(self.path)
        return again

    def _agrees(self, again: SourceModel) -> bool:
        with reading_volatile(self.path):
            if self._node is not None and again.node != self._node:
                return False
            return not self._digest or again.digest() == self._digest

    @cached_property
    def copy(self) -> PrivateCopy:
        """The copy; it exists as long as this object or another holder."""
        return PrivateCopy(self.path, self.files, SCRATCH.subfolder)

    @property
    def _nearest(self) -> SourceModel:
        """The copy if it exists, else the original; the copy has to agree with it."""
        return self.ready if self._is_copied else self._found

    @property
    def _is_copied(self) -> bool:
        return "ready" in self.__dict__


@contextmanager
def reading_volatile(path: Path) -> Iterator[None]:
    """As ``reading``, for a file that may be deleted meanwhile, which is reported as changed."""
    try:
        with reading(path):
            yield
    except EdgeGateError as error:
        if isinstance(error.__cause__, FileNotFoundError) and not path.exists():
            raise changed(path) from error
        raise


def ready(model: SourceModel) -> SourceModel:
    """The model whose files may be run, converted or inspected."""
    return model.ready if isinstance(model, TakenIn) else model
