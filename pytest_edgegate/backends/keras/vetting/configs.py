"""The configuration of a saved Keras model: every class, function and symbol that it names.

Keras builds whatever a JSON object with a ``class_name`` names, at any depth, so all of them are
looked at, wherever they stand: none is taken for data because its place is odd. What an
operation is called with (``inbound_nodes``) may be data only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_edgegate.backends.keras.vetting.lists import Names

_DATA = frozenset(
    {
        "__keras_tensor__",
        "__tensor__",
        "__numpy__",
        "__bytes__",
        "__tuple__",
        "__ellipsis__",
        "__slice__",
        "TensorShape",
    }
)
"""Encodings of values that JSON lacks: without a module they call nothing."""
_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
"""Layers of tf-keras that call the symbol of TensorFlow that their ``function`` names."""
_OPERATION_KEYS = frozenset({"name", "trainable", "dtype", "function"})
_WORDS = ("activation", "_initializer", "_regularizer", "_constraint")
"""Suffixes of keys whose text is looked up as a name."""
_FILES = frozenset(
    {
        "vocabulary",
        "vocabulary_file",
        "idf_weights",
        "filepath",
        "file_path",
        "filename",
        "path",
    }
)
"""Keys whose text would be opened as a file; lists of words are data."""
_TEXTS = "_TYPE"
"""The key under which tf-keras says that a text beside it is JSON again, with objects in it."""
_CODE = re.compile(r"(^|_)fn(_type|_module)?$|^(lambda|code|bytecode|py_function)$")
"""Keys under which some layers of tf-keras keep the bytecode of a function."""


def faults(config: Any, names: Names) -> Iterator[str]:
    """The names in a configuration that are not on the list, phrased to follow "it names"."""
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        yield "no class at its root"
        return
    yield from _Walk(names).part(config, data_only=False)


def of_saved(config: Any) -> Any:
    """A saved configuration without what a loader leaves out that is asked not to compile."""
    if isinstance(config, Mapping):
        return {key: value for key, value in config.items() if key != "compile_config"}
    return config


class _Walk:
    def __init__(self, names: Names) -> None:
        self._names = names

    def part(self, part: Any, *, data_only: bool) -> Iterator[str]:
        if isinstance(part, Mapping):
            if "class_name" in part:
                yield from self._object(part, data_only=data_only)
            for key, value in part.items():
                yield from _reaching(key, value)
                if isinstance(value, str):
                    yield from self._word(key, value)
                else:
                    inner = data_only or key == "inbound_nodes"
                    yield from self.part(value, data_only=inner)
        elif isinstance(part, list):
            for each in part:
                yield from self.part(each, data_only=data_only)

    def _object(self, part: Mapping[str, Any], *, data_only: bool) -> Iterator[str]:
        name, module = part["class_name"], part.get("module")
        if not isinstance(name, str) or not isinstance(module, str | None):
            yield f"a class by no name ({_shown(name)})"
        elif name in _DATA:
            yield from _called_for(part, name)
        elif data_only:
            yield f"{_shown(name)} as the argument of a layer"
        elif name == "function":
            yield from self._function(part)
        elif name in _OPERATIONS and _rooted(module) in (None, _OPERATION_MODULE):
            yield from self._operation(name, part.get("config"))
        elif not self._is_known(name, module):
            yield _shown(name if module is None else f"{module}.{name}")
        else:
            yield from self._other_name(part, name)

    def _is_known(self, name: str, module: str | None) -> bool:
        if module is None:
            return name in self._names.bare
        return f"{_rooted(module)}.{name}" in self._names.objects

    def _function(self, part: Mapping[str, Any]) -> Iterator[str]:
        name, module = part.get("config"), part.get("module")
        full = name if module in (None, "builtins") else f"{_rooted(module)}.{name}"
        if not isinstance(name, str) or full not in self._names.functions:
            yield f"the function {_shown(full)}"
        else:
            yield from self._other_name(part, name)

    def _operation(self, name: str, config: Any) -> Iterator[str]:
        symbol = config.get("function") if isinstance(config, Mapping) else None
        if not isinstance(symbol, str) or symbol not in self._names.symbols:
            yield f"{name} of tf.{_shown(symbol)}"
        elif not config.keys() <= _OPERATION_KEYS:
            yield f"{name} with {_shown(sorted(config.keys() - _OPERATION_KEYS)[0])}"

    def _other_name(self, part: Mapping[str, Any], name: str) -> Iterator[str]:
        """A name that an object is registered under comes before its class."""
        registered = part.get("registered_name")
        if registered in (None, "", name, part["class_name"]):
            return
        if not isinstance(registered, str) or registered not in self._names.bare:
            yield f"{_shown(name)} registered as {_shown(registered)}"

    def _word(self, key: str, value: str) -> Iterator[str]:
        if key.endswith(_WORDS) and value not in self._names.words:
            yield f"{_shown(key)} {_shown(value)}"


_OPERATION_MODULE = "keras.src.layers.core.tf_op_layer"


def _called_for(part: Mapping[str, Any], name: str) -> Iterator[str]:
    """Data is data by its name alone: a loader that does not know the name looks for its module."""
    for key in ("module", "registered_name", "spec_name"):
        if part.get(key) is not None:
            yield f"{_shown(name)} of {_shown(part[key])}"
            return


def _reaching(key: str, value: Any) -> Iterator[str]:
    """Keys that are taken for the name of a file, or for code, whatever layer they are of."""
    if key in _FILES and isinstance(value, str | Mapping):
        yield f"a file ({_shown(key)}: {_shown(value)})"
    elif key == _TEXTS:
        yield f"objects in a text ({_shown(value)})"
    elif _CODE.search(key) and value is not None:
        yield f"code ({_shown(key)})"


def _rooted(module: str | None) -> str | None:
    """The module as tf-keras itself looks it up, where both roots mean the same."""
    if module is not None and module.split(".")[0] == "tf_keras":
        return module[3:]
    return module


def _shown(name: object) -> str:
    text = "".join(each for each in str(name) if each.isprintable())
    return text if len(text) <= 80 else f"{text[:77]}..."
