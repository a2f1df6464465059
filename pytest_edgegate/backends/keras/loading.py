"""From a file, a folder or a live object to one function over tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.copying import copied
from pytest_edgegate.backends.keras.tensorflow import (
    import_keras,
    import_tensorflow,
    import_tf_keras,
)
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tf_learner import Forward
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.ports import LoadedModel

_BUILT_IN = ("keras", "tf_keras", "tensorflow", "builtins")


def load_file(path: Path, *, allow_code: bool = False) -> LoadedModel:
    """A ``.keras`` or ``.h5`` file; an ``.h5`` that Keras 3 refuses is read by tf-keras.

    Code in the file is run only where *allow_code* says that the user trusts it.
    """
    keras = import_keras()
    try:
        with held_native_output():
            model = keras.models.load_model(path, compile=False, safe_mode=not allow_code)
    except Exception as error:  # whatever Keras raises for a file that it can't read
        if _is_hdf5(path):
            return _load_by_tf_keras(path, error)
        raise _unreadable(path, error) from error
    return from_keras_model(model)


def _load_by_tf_keras(path: Path, refusal: Exception) -> LoadedModel:
    tf_keras = import_tf_keras()
    try:
        with held_native_output():
            model = tf_keras.models.load_model(path, compile=False)
    except Exception as error:  # nothing reads it: Keras 3's reason is the one to show
        raise _unreadable(path, refusal) from error
    reason = _first_line(refusal)
    note = f"{path.name} was read by tf-keras, because Keras 3 refuses it: {reason}"
    return from_keras_model(model, notes=(note,))


def from_keras_model(model: Any, notes: tuple[str, ...] = ()) -> LoadedModel:
    """A model of Keras 3 or tf-keras with fixed inputs."""
    tf = import_tensorflow()
    if not getattr(model, "inputs", None):
        raise _without_inputs(model)
    structure, forward = _input_structure(model), forward_of(model)

    def function(*tensors: Any) -> Sequence[Any]:
        return forward(tensors, False)

    inputs = tuple(
        TensorInfo(_tensor_name(each), _shape(each.shape), tf.as_dtype(each.dtype).name)
        for each in tf.nest.flatten(structure)
    )
    names = getattr(model, "output_names", None) or [each.name for each in model.outputs]
    stateful = [layer for layer in _layers(model) if getattr(layer, "stateful", False)]

    def reset() -> None:
        for layer in stateful:
            (getattr(layer, "reset_state", None) or layer.reset_states)()

    return LoadedModel(
        function, inputs, tuple(map(str, names)), model, notes,
        tuple(str(layer.name) for layer in stateful), reset if stateful else None,
        partial(copied, model),
    )  # fmt: skip


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
    """The layers of a model, those of models inside it too."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)


def _input_structure(model: Any) -> Any:
    """The inputs as the model was built with them: a tensor, a list or a dict."""
    try:
        return model.input
    except AttributeError:  # a Sequential of Keras 3 that was built and never called
        return model.inputs[0] if len(model.inputs) == 1 else list(model.inputs)


def load_saved_model(folder: Path) -> LoadedModel:
    """A SavedModel by its serving signature."""
    tf = import_tensorflow()
    try:
        with held_native_output():
            loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # whatever TensorFlow raises for a damaged folder
        raise _unreadable(folder, error) from error
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise UnsupportedError(
            f"the SavedModel {folder.name} has no serving_default signature",
            "export it with model.export(folder), or with "
            "tf.saved_model.save(..., signatures=model_function)",
        )
    specs = signature.structured_input_signature[1]
    names = sorted(specs)
    outputs = sorted(signature.structured_outputs)

    def function(*tensors: Any) -> Sequence[Any]:
        result = signature(**dict(zip(names, tensors, strict=True)))
        return [result[name] for name in outputs]

    inputs = tuple(
        TensorInfo(name, _shape(specs[name].shape), specs[name].dtype.name) for name in names
    )
    return LoadedModel(_keeping(function, loaded), inputs, tuple(outputs))


def _keeping(function: Callable[..., Sequence[Any]], owner: Any) -> Callable[..., Sequence[Any]]:
    """The function, holding on to the object whose variables it reads."""
    function.owner = owner  # type: ignore[attr-defined]
    return function


def refuse_code(name: str, config: Any) -> None:
    """Refuses a saved configuration that would run code from the file, or needs code beside it."""
    found = sorted(set(_foreign(config)))
    if found:
        raise UnsupportedError(
            f"{name} holds code that is not Keras's own ({', '.join(found)}), and a gate runs "
            "no code from a file",
            "where you trust it: edge_allow_code = true in the ini, or load it yourself and return "
            "the model object from edge_model",
        )


def h5_config(path: Path) -> Any:
    """The configuration inside a Keras ``.h5`` file. Raises ConfigurationError if there is none."""
    import h5py

    try:
        with h5py.File(path, "r") as opened:
            text = opened.attrs.get("model_config")
    except OSError as error:
        raise _unreadable(path, error) from error
    if text is None:
        raise ConfigurationError(
            f"{path.name} holds weights but no model",
            "save the whole model with model.save('model.keras'), not only its weights",
        )
    try:
        return json.loads(text)
    except ValueError as error:
        raise _unreadable(path, error) from error


def _foreign(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        name = config.get("class_name")
        module = config.get("module")
        if name in ("Lambda", "__lambda__", "TFOpLambda") or (
            isinstance(module, str) and module.split(".")[0] not in _BUILT_IN
        ):
            yield str(name)
        for value in config.values():
            yield from _foreign(value)
    elif isinstance(config, list):
        for value in config:
            yield from _foreign(value)


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} can't be read as a Keras model: {_first_line(error)}",
        "save it again with model.save('model.keras'), or return the model object from edge_model",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else '(no message)'}"


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(8) == b"\x89HDF\r\n\x1a\n"


def _tensor_name(tensor: Any) -> str:
    return str(tensor.name).split(":")[0]


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(-1 if size is None else int(size) for size in shape)
