"""Saves Keras models in files with reproducible bytes."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.copying import keras_of
from pytest_edgegate.backends.keras.families import family
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import UnsupportedError

_SAVED = "1980-01-01@00:00:00"
"""Also the date of a plain ZipInfo."""


def save(model: Any, path: Path) -> Path:
    """Writes the model and returns the path of its file; equal models give equal bytes.

    *path* ends in ``.keras``; a model of tf-keras goes into an ``.h5`` beside it, since Keras 3
    reads no ``.keras`` of tf-keras. The optimizer is left out. Raises UnsupportedError.
    """
    if family(model) == "tf_keras":
        path = path.with_suffix(".h5")
    try:
        with held_native_output():
            model.save(path, **({"include_optimizer": False} if path.suffix == ".h5" else {}))
    except Exception as error:  # a user-defined layer may raise anything
        raise UnsupportedError(
            f"{model.name} can't be saved: {type(error).__name__}: {error}",
            "give every layer of your own a get_config that holds all arguments of its __init__",
        ) from error
    if path.suffix == ".keras":
        _make_lasting(path)
    return path


def refuse_unreadable(model: Any) -> None:
    """Refuses, before it is trained, a model that could not be read back from its file.

    Raises UnsupportedError.
    """
    try:
        with held_native_output():
            keras_of(model).models.model_from_json(model.to_json())
    except Exception as error:  # a user-defined layer may raise anything
        own = sorted({type(each).__name__ for each in model.layers if not _known(each)})
        because = f": it has layers of your own ({', '.join(own)})" if own else ""
        raise UnsupportedError(
            f"{model.name} could not be read back from a file once it is trained{because}",
            "build it of Keras's own layers, or register yours by "
            "@keras.saving.register_keras_serializable() and set edge_allow_code = true in the ini",
        ) from error


def _known(layer: Any) -> bool:
    """Whether the layer consists only of Keras's own code."""
    kind = type(layer)
    return kind.__module__.split(".")[0] in ("keras", "tf_keras") and kind.__name__ != "Lambda"


def _make_lasting(path: Path) -> None:
    """Removes the parts of the archive that differ between runs."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in sorted(archive.namelist())}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, path.name)
        with zipfile.ZipFile(made, "w") as archive:
            for name, content in parts.items():
                lasting = _without_run(content) if name.endswith(".json") else content
                archive.writestr(zipfile.ZipInfo(name), lasting, zipfile.ZIP_DEFLATED)
        made.replace(path)


def _without_run(content: bytes) -> bytes:
    """The JSON *content* without the ids of objects in memory and the date of saving."""

    def lasting(part: dict[str, Any]) -> dict[str, Any]:
        part.pop("shared_object_id", None)
        return part | {"date_saved": _SAVED} if "date_saved" in part else part

    return json.dumps(json.loads(content, object_hook=lasting)).encode()
