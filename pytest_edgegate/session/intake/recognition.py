"""Recognises the user's models by their content and data as splits, once per run."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.core.layout import CHANNELS_FIRST, CHANNELS_LAST
from pytest_edgegate.core.ports import Example, SourceModel, Surroundings
from pytest_edgegate.reading.copies import changed, signature
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.reading.pointers import refuse_pointer
from pytest_edgegate.reading.regular import (
    files_in,
    is_there,
    regular_size,
    unreadable,
    where_started,
)
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Missing
from pytest_edgegate.session.intake.foreign_files import ForeignModel
from pytest_edgegate.session.intake.no_models import no_model
from pytest_edgegate.session.intake.taken_in import TakenIn, reading_volatile

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset

_T = TypeVar("_T")

_FILES = "a .keras, .h5, .pt2, .onnx, .tflite or OpenVINO .xml file, or of a SavedModel folder"


class Recogniser:
    """Recognises models and data, once per run for each object."""

    def __init__(self, root: Path, registry: Registry, *, allow_code: bool = False) -> None:
        self._root = root
        self._registry = registry
        self._allow_code = allow_code
        self._models: _Recent[SourceModel] = _Recent()
        self._datasets: _Recent[Dataset] = _Recent()

    def student(self, given: object, data: object) -> SourceModel:
        """The student of a distillation. Raises ConfigurationError, InferenceError.

        Its layout may differ from the data's: a live module, which does not declare its inputs,
        is tried with the samples in both layouts.
        """
        found = self.model(given, data)
        if found.path is not None:
            return found
        key, held = ("student", id(given), id(data)), (given, data)
        return self._models.get(key, held, lambda: self._fitting(found, given, data))

    def _fitting(self, found: SourceModel, given: object, data: object) -> SourceModel:
        try:
            found.load()
        except ConfigurationError as refusal:
            for axes in (CHANNELS_FIRST, CHANNELS_LAST):
                turned = self._recognise(given, data, axes)
                with suppress(ConfigurationError):
                    turned.load()
                    return turned
            raise refusal
        return found

    def model(self, given: object, data: object = Missing("edge_data")) -> SourceModel:
        """A model, or a file to gate; *data* shows the inputs of one that does not declare them.

        Raises ConfigurationError, InferenceError.
        """
        if isinstance(given, Missing):
            raise given.error()
        if isinstance(given, str | Path):
            with reading_volatile(Path(given)):
                path = self.find_file(given)
                known = _signature(path)
            return self._models.get(known, path, lambda: self._of_others(path, data), _is_current)
        held = (given, data)
        return self._models.get((id(given), id(data)), held, lambda: self._recognise(given, data))

    def _of_others(self, path: Path, data: object) -> SourceModel:
        if not path.is_dir():
            refuse_pointer(path)  # opens it: readers would wait for ever at a pipe
        with reading_volatile(path):
            found = self._recognise(path, data)
            return TakenIn(found, path, lambda copy: self._recognise(copy, data))

    def dataset(self, given: object) -> Dataset:
        """The data, read and digested once per run. Raises ConfigurationError."""
        from pytest_edgegate.data.dataset import Dataset

        if isinstance(given, Missing):
            raise given.error()
        return self._datasets.get(id(given), given, lambda: Dataset(given))

    def find_file(self, given: str | Path) -> Path:
        """Resolves a user's path: absolute, or relative to pytest's root or working folder."""
        for folder in (self._root, where_started()):
            if folder is not None and is_there(folder / given):
                return folder / given
        raise ConfigurationError(
            f"{given} does not exist (looked in {self._root})",
            "check the path: it is relative to pytest's root folder",
        )

    def _recognise(
        self, given: object, data: object, axes: tuple[int, ...] | None = None
    ) -> SourceModel:
        def example() -> Example:
            shown = self.dataset(data).example()
            if axes is None:
                return shown
            turned = (x.transpose(axes) if x.ndim == len(axes) else x for x in shown.arrays)
            return replace(shown, arrays=tuple(turned))

        around = Surroundings(example, self._allow_code)
        if isinstance(given, Path) and not given.is_dir() and regular_size(given) == 0:
            raise InferenceError(f"{given.name} is empty", "make the file again")
        for name, reader in self._registry.all("model reader").items():
            found: SourceModel | None = reader.recognise(given, around)
            if found is not None and found.path is not None:
                entry = self._registry.entry("model reader", name)
                return ForeignModel(found, found.path, entry, around)
            if found is not None:
                return found
        if isinstance(given, Path) and not given.exists():
            raise changed(given)
        if isinstance(given, Path):
            raise ConfigurationError(
                f"{given.name} is no model that an installed backend knows by its content",
                f"give {_FILES}",
            )
        raise no_model(given, f"return a keras.Model, a torch.nn.Module, or the path of {_FILES}")


class _Recent(Generic[_T]):
    """The results for the last few objects, which are kept alive so that their ids stay unique."""

    _KEPT = 4  # function-scoped fixtures create a new, possibly large object for every test

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[object, _T]] = {}

    def get(
        self,
        key: Hashable,
        held: object,
        make: Callable[[], _T],
        holds: Callable[[_T], bool] = lambda known: True,
    ) -> _T:
        """The result under *key* if it still *holds*, else the new result of *make*."""
        if key in self._known and not holds(self._known[key][1]):
            del self._known[key]
        if key not in self._known:
            made = make()
            while len(self._known) >= self._KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = (held, made)
        return self._known[key][1]


def _is_current(model: SourceModel) -> bool:
    """Whether the files are unchanged; weights beside the named file may change alone."""
    return not isinstance(model, TakenIn) or model.is_current()


def _signature(path: Path) -> Hashable:
    """Changes when a file, or a file in a folder, is written again."""
    try:
        files = sorted(files_in(path)) if path.is_dir() else [path]
        return signature(path, [each for each in files if each.is_file()])
    except OSError as error:
        raise unreadable(path, reason_of(error)) from error
