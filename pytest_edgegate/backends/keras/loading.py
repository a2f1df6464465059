"""Loads a file, a folder or a live object as one function over tensors."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.copying import copied
from pytest_edgegate.backends.keras.recurrent import without_dropout
from pytest_edgegate.backends.keras.tensorflow import (
    import_keras,
    import_tensorflow,
    import_tf_keras,
)
from pytest_edgegate.backends.keras.unrolling import unrolling_of
from pytest_edgegate.backends.keras.vetting.files import Vetted, installed_keras
from pytest_edgegate.backends.keras.vetting.lists import Loader
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tf_learner import Forward
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.tidy.scratch import SCRATCH


def load_archive(vetted: Vetted) -> LoadedModel:
    """A ``.keras`` file of Keras 3 or of tf-keras."""
    return _loaded(vetted, ".keras")


def load_hdf5(vetted: Vetted) -> LoadedModel:
    """An ``.h5`` file; one that Keras 3 refuses is read by tf-keras."""
    return _loaded(vetted, ".h5")


def _loaded(vetted: Vetted, suffix: str) -> LoadedModel:
    """Loads with the first loader that accepts it. Code in the file runs only if trusted."""
    refusals: list[Exception] = []
    with _by_a_name(vetted.path, suffix) as path:
        for loader in vetted.loaders:
            framework = _LOADERS[loader]()
            vetted.confirm()
            try:
                with held_native_output(), _safe_mode(framework, on=not vetted.allow_code):
                    model = framework.models.load_model(
                        path,
                        compile=False,
                        safe_mode=not vetted.allow_code,
                        custom_objects=_beside_layers(framework),
                    )
            except Exception as error:  # noqa: BLE001 - any kind; it is raised below
                refusals.append(error)
                continue
            return from_keras_model(model, notes=_read_by(vetted, loader, suffix, refusals))
    # if no loader accepts it, the first reason is shown
    raise _unreadable(vetted.path, refusals[0], vetted.newer) from refusals[0]


_LOADERS: dict[Loader, Callable[[], Any]] = {"keras": import_keras, "tf_keras": import_tf_keras}


@contextmanager
def _safe_mode(framework: Any, *, on: bool) -> Iterator[None]:
    """A second protection: within it neither Keras unmarshals code, even in old files."""
    package = framework.layers.Layer.__module__.split(".")[0]
    library = importlib.import_module(f"{package}.src.saving.serialization_lib")
    with library.SafeModeScope(on):
        yield


@contextmanager
def _by_a_name(path: Path, suffix: str) -> Iterator[Path]:
    """The file under a name that shows its format, on which Keras relies.

    Otherwise a file that is both an archive and HDF5 could be read as the unvetted format.
    """
    with tempfile.TemporaryDirectory(dir=SCRATCH.folder()) as folder:
        named = Path(folder, f"model{suffix}")
        named.symlink_to(path.resolve())
        yield named


def _beside_layers(framework: Any) -> dict[str, Any]:
    """Layers specific to Keras applications, which an ``.h5`` names without a module."""
    source = f"{framework.layers.Layer.__module__.split('.')[0]}.src.applications"
    found = {}
    for module, name in _APPLICATION_LAYERS:
        with suppress(ImportError, AttributeError):  # other versions have them elsewhere
            found[name] = getattr(importlib.import_module(f"{source}.{module}"), name)
    return found


_APPLICATION_LAYERS = (
    ("convnext", "LayerScale"),
    ("inception_resnet_v2", "CustomScaleLayer"),
)


def _read_by(
    vetted: Vetted, loader: Loader, suffix: str, refusals: Sequence[Exception]
) -> tuple[str, ...]:
    if loader == "keras" or suffix == ".keras":
        return ()
    reason = _first_line(refusals[0]) if refusals else vetted.note
    return (f"{vetted.path.name} was read by tf-keras, because Keras 3 refuses it: {reason}",)


def from_keras_model(model: Any, notes: tuple[str, ...] = ()) -> LoadedModel:
    """A model of Keras 3 or tf-keras with fixed inputs."""
    tf = import_tensorflow()
    if not getattr(model, "inputs", None):
        raise _without_inputs(model)
    structure, forward = _input_structure(model), forward_of(model)

    def function(*tensors: Any) -> Sequence[Any]:
        with without_dropout(model):
            return forward(tensors, False)

    placed = not isinstance(structure, Mapping)  # which is flattened in the order of its keys
    inputs = tuple(
        TensorInfo(
            _tensor_name(each), _shape(each.shape), tf.as_dtype(each.dtype).name, placed=placed
        )
        for each in tf.nest.flatten(structure)
    )
    names = _output_names(model)
    stateful = [layer for layer in _layers(model) if getattr(layer, "stateful", False)]

    def reset() -> None:
        for layer in stateful:
            (getattr(layer, "reset_state", None) or layer.reset_states)()

    loaded = LoadedModel(
        function,
        inputs,
        tuple(map(str, names)),
        model,
        notes,
        tuple(str(layer.name) for layer in stateful),
        reset if stateful else None,
        partial(copied, model),
    )
    return replace(loaded, unrolled=unrolling_of(model, loaded))


def _without_inputs(model: Any) -> UnsupportedError:
    if any(each.__name__ == "Sequential" for each in type(model).__mro__):
        return UnsupportedError(
            f"the Sequential model {model.name} has no fixed inputs: it is not built",
            "begin it with its input, one sample's shape: "
            "keras.Sequential([keras.Input((28, 28, 1)), ...])",
        )
    return UnsupportedError(
        f"{type(model).__name__} has no fixed inputs: it is a subclassed or unbuilt model",
        "build it as a Functional or Sequential model with a keras.Input; or export it and give "
        "the SavedModel, which PTQ() takes and no training",
    )


def forward_of(model: Any) -> Forward:
    """The model as one function: its input tensors, in order, and whether it is in training, to
    its output tensors."""
    tf = import_tensorflow()
    structure = _input_structure(model)

    def forward(tensors: Sequence[Any], training: bool) -> list[Any]:
        arguments = tf.nest.pack_sequence_as(structure, list(tensors))
        return list(tf.nest.flatten(model(arguments, training=training)))

    return forward


def _layers(model: Any) -> Iterator[Any]:
    """The layers of a model, including those of nested models."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _input_structure(model: Any) -> Any:
    """The inputs as the model was built with them: a tensor, a list or a dict."""
    try:
        return model.input
    except AttributeError:  # a Sequential of Keras 3 that was built and never called
        return model.inputs[0] if len(model.inputs) == 1 else list(model.inputs)


def _output_names(model: Any) -> list[str]:
    """The keys of a dict of outputs, in whose order it is flattened; else the names that Keras
    gives, which are those of layers."""
    structure = getattr(model, "output", None)
    if isinstance(structure, Mapping) and not any(map(_is_nested, structure.values())):
        return [str(each) for each in sorted(structure)]
    return list(getattr(model, "output_names", None) or [each.name for each in model.outputs])


def _is_nested(output: Any) -> bool:
    return isinstance(output, Mapping | list | tuple)


def load_saved_model(vetted: Vetted) -> LoadedModel:
    """A SavedModel by its serving signature."""
    folder = vetted.path
    tf = import_tensorflow()
    try:
        with held_native_output():
            loaded = tf.saved_model.load(str(folder))
        signatures = dict(getattr(loaded, "signatures", {}))
    except Exception as error:  # TensorFlow may raise anything for a damaged folder
        raise _unreadable(folder, error) from error
    name = _DEFAULT if _DEFAULT in signatures or len(signatures) != 1 else next(iter(signatures))
    if name not in signatures:
        others = f", and cannot choose among {', '.join(sorted(signatures))}" if signatures else ""
        raise UnsupportedError(
            f"the SavedModel {folder.name} has no {_DEFAULT} signature{others}",
            "export it with model.export(folder), or with "
            "tf.saved_model.save(..., signatures=model_function)",
        )
    signature = signatures.pop(name)
    specs = signature.structured_input_signature[1]
    ordered = _order_of_arguments(loaded, set(specs))
    names = ordered or sorted(specs)
    unknown = [name for name in names if specs[name].shape.rank is None]
    if unknown:
        raise UnsupportedError(
            f"the SavedModel {folder.name} does not say how many axes its input {unknown[0]} has",
            "export it with an input_signature that has them: "
            "tf.TensorSpec((None, 224, 224, 3), tf.float32)",
        )
    outputs = sorted(signature.structured_outputs)

    def function(*tensors: Any) -> Sequence[Any]:
        result = signature(**dict(zip(names, tensors, strict=True)))
        return [result[name] for name in outputs]

    placed = bool(ordered)
    inputs = tuple(
        TensorInfo(name, _shape(specs[name].shape), specs[name].dtype.name, placed=placed)
        for name in names
    )
    return LoadedModel(
        _keeping(function, loaded), inputs, tuple(outputs), notes=_others(folder, name, signatures)
    )


_DEFAULT, _TWIN = "serving_default", "serve"
"""Keras exports one function under both names."""


def _others(folder: Path, name: str, signatures: Mapping[str, Any]) -> tuple[str, ...]:
    """The note of a SavedModel that has more than the signature that is read."""
    others = sorted(signatures.keys() - {_TWIN} if name == _DEFAULT else signatures)
    if not others:
        return ()
    listed = ", ".join(f"{each} ({_taking(signatures[each])})" for each in others)
    return (f"{folder.name} is read by its signature {name}; it also has {listed}",)


def _taking(signature: Any) -> str:
    specs = signature.structured_input_signature[1]
    return ", ".join(
        f"{each} {specs[each].dtype.name} {list(_shape(specs[each].shape))}"
        for each in sorted(specs)
        if specs[each].shape.rank is not None
    )


def _order_of_arguments(loaded: Any, names: set[str]) -> list[str]:
    """The names of the signature's inputs in the order of the arguments of the function behind it.

    A signature sorts its inputs by name. Empty if no function shows an order of its own: one that
    takes a dict has none either.
    """
    for attribute in ("serve", "__call__"):
        for each in getattr(getattr(loaded, attribute, None), "concrete_functions", ()):
            found = _in_order(each.structured_input_signature)
            if found is not None and len(found) == len(names) and set(found) == names:
                return found
    return []


def _in_order(arguments: Any) -> list[str] | None:
    """The names of the tensors in positional arguments, in lists too; None if a dict names them."""
    positional, _ = arguments
    found: list[str] = []
    for each in positional:
        if isinstance(each, Mapping):
            return None
        if isinstance(each, list | tuple):
            within = _in_order((each, {}))
            if within is None:
                return None
            found += within
        elif hasattr(each, "name") and hasattr(each, "dtype"):
            found.append(str(each.name))
    return found


def _keeping(function: Callable[..., Sequence[Any]], owner: Any) -> Callable[..., Sequence[Any]]:
    """The function with a reference to the object whose variables it reads."""
    function.owner = owner  # type: ignore[attr-defined]
    return function


def _unreadable(path: Path, error: Exception, newer: str = "") -> ConfigurationError:
    if newer:
        here = installed_keras()
        return ConfigurationError(
            f"{path.name} was saved by Keras {newer}, and the Keras {here} here can't read it: "
            f"{_first_line(error)}",
            f"pip install --upgrade keras, or save it by Keras {here}: the file is not damaged",
        )
    again = "model.export('model')" if path.is_dir() else "model.save('model.keras')"
    return ConfigurationError(
        f"{path.name} can't be read as a {'SavedModel' if path.is_dir() else 'Keras model'}: "
        f"{_first_line(error)}",
        f"save it again with {again}, or return the model object from edge_model",
    )


def _first_line(error: Exception) -> str:
    """The first line with a reason: TensorFlow prints others before it."""
    text = str(error)
    if _INNER in text:  # Keras repeats the configuration of every object around the fault
        layer = _LAYER.findall(text)
        where = f" (layer {layer[-1][1]}, {layer[-1][0]})" if layer else ""
        return f"{text.rpartition(_INNER)[2].strip()[:200]}{where}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(_HEADERS)]
    return f"{type(error).__name__}: {(reasons or lines or ['(no message)'])[0][:200]}"


_INNER = "Exception encountered: "
_LAYER = re.compile(r"deserializing class '(\w{1,80})' using config=\{'name': '([^']{1,80})'")
_HEADERS = (
    "Graph execution error",
    "Detected at node",
    "Exception encountered when calling layer",
)


def _tensor_name(tensor: Any) -> str:
    """As the user wrote it; tf-keras may put the number of an output behind it."""
    name = str(tensor.name)
    return name if type(tensor).__module__.startswith("keras.") else name.split(":", maxsplit=1)[0]


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(-1 if size is None else int(size) for size in shape)
