"""Recognises Keras models and SavedModels by their content, importing no framework."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.declared import declared_input
from pytest_edgegate.backends.keras.families import family
from pytest_edgegate.backends.keras.vetting.files import (
    is_archive,
    vet_archive,
    vet_hdf5,
    vet_saved_model,
)
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.defaults import FileModel
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import GraphBatch, LoadedModel, SourceModel, Surroundings
from pytest_edgegate.reading.regular import files_of_model, open_regular

RUNTIME = "keras"
_AUTOMATIC = re.compile(r"^(keras_tensor|input_layer|input)_\d+$")
_COUNTED = re.compile(r"_\d+$")


class KerasReader:
    """``.keras`` and ``.h5`` files, SavedModel folders, live models of Keras 3 and tf-keras."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path):
            return LiveModel(candidate) if _is_keras_object(candidate) else None
        if candidate.is_dir():
            if (candidate / "saved_model.pb").is_file():
                return _saved(candidate, "savedmodel", _load_saved_model, around)
            return None
        with open_regular(candidate) as opened:
            head = opened.read(8)
        if head == b"\x89HDF\r\n\x1a\n":
            return _saved(candidate, "keras", _load_hdf5, around)
        if head[:4] == b"PK\x03\x04" and is_archive(candidate):
            found = _saved(candidate, "keras", _load_archive, around)
            return replace(found, declares=partial(declared_input, candidate))
        return None


def _saved(
    path: Path, model_format: str, load: Callable[[Path, bool], LoadedModel], around: Surroundings
) -> SavedFile:
    return SavedFile(path, format=model_format, loader=partial(load, path, around.allow_code))


@dataclass(frozen=True, kw_only=True)
class SavedFile(FileModel):
    """A model in a file or a folder; its digest is that of the bytes.

    It is vetted right before it is loaded: a run that loads nothing vets nothing.
    """

    format: str
    loader: Callable[[], LoadedModel]
    runtime: str = RUNTIME
    declares: Callable[[], tuple[TensorInfo, ...]] = tuple

    def declared_inputs(self) -> tuple[TensorInfo, ...]:
        return self.declares()

    @property
    def node(self) -> tuple[str, str]:
        return (self.format, "float32")

    @property
    def files(self) -> tuple[Path, ...]:
        if self.path.is_file():
            return (self.path,)
        return files_of_model(self.path)

    @cached_property
    def _digest(self) -> str:
        made = hashlib.sha256()
        for file in self.files:
            made.update(file.relative_to(self.path).as_posix().encode() + b"\0")
            with open_regular(file) as opened:
                made.update(hashlib.file_digest(opened, "sha256").digest())
        return made.hexdigest()

    def load(self) -> LoadedModel:
        return self._loaded

    @cached_property
    def _loaded(self) -> LoadedModel:
        return self.loader()


class LiveModel:
    """A model object; its digest is that of its traced graph and its weights.

    Source text and configuration would miss closures and custom layers. Automatic Keras names have
    a counter, and are left out.
    """

    path = None
    files = ()
    runtime = RUNTIME
    note = ""
    node = ("keras", "float32")
    graph_reader = "pytest_edgegate.backends.keras.traced:READER"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph: str | None = None

    @property
    def name(self) -> str:
        return str(getattr(self._model, "name", "model"))

    def digest(self) -> str:
        if self._graph is None:
            self._graph = _traced(self.load(), self._model)
        made = hashlib.sha256(self._graph.encode())
        for weight in self._model.get_weights():
            made.update(f"{weight.dtype}{weight.shape}".encode())
            made.update(weight.tobytes())
        return made.hexdigest()

    def load(self) -> LoadedModel:
        return self._loaded

    def write_graph(self, folder: Path, batch: GraphBatch) -> None:
        from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
        from pytest_edgegate.backends.tf_graphs import write_graph

        write_graph(import_tensorflow(), self.load(), self.name, folder, batch)

    @cached_property
    def _loaded(self) -> LoadedModel:
        from pytest_edgegate.backends.keras.identity import training_identity
        from pytest_edgegate.backends.keras.loading import from_keras_model
        from pytest_edgegate.backends.keras.tensorflow import import_keras

        if family(self._model) == "keras":
            import_keras()
        identity = partial(training_identity, self._model)
        return replace(from_keras_model(self._model), training_identity=identity)


def _traced(loaded: LoadedModel, model: Any) -> str:
    from pytest_edgegate.backends.keras.graph_digest import graph_digest, of_captured
    from pytest_edgegate.backends.keras.tensorflow import import_tensorflow

    tf = import_tensorflow()
    specs = [
        tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype, each.name)
        for each in loaded.inputs
    ]
    with held_native_output():
        graph = tf.function(loaded.function).get_concrete_function(*specs).graph
    weights = [each if hasattr(each, "handle") else each.value for each in model.weights]
    return repr(
        (
            _input_and_output_names(loaded),
            graph_digest(graph.as_graph_def()),
            of_captured(graph, weights),
        )
    )


def _input_and_output_names(loaded: LoadedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of inputs and outputs; of an only one, without the number that Keras counts by."""
    inputs = tuple(each.name for each in loaded.inputs)
    if len(inputs) == 1:
        inputs = (_AUTOMATIC.sub(r"\1", inputs[0]),)
    outputs = loaded.outputs
    return inputs, outputs if len(outputs) > 1 else (_COUNTED.sub("", outputs[0]),)


def _is_keras_object(candidate: object) -> bool:
    return family(candidate) is not None


def _load_archive(path: Path, allow_code: bool) -> LoadedModel:
    vetted = vet_archive(path, allow_code=allow_code)
    from pytest_edgegate.backends.keras.loading import load_archive

    return load_archive(vetted)


def _load_hdf5(path: Path, allow_code: bool) -> LoadedModel:
    vetted = vet_hdf5(path, allow_code=allow_code)
    from pytest_edgegate.backends.keras.loading import load_hdf5

    return load_hdf5(vetted)


def _load_saved_model(path: Path, allow_code: bool) -> LoadedModel:
    vetted = vet_saved_model(path, allow_code=allow_code)
    from pytest_edgegate.backends.keras.loading import load_saved_model

    return load_saved_model(vetted)


READER = KerasReader()
