"""Vets saved models on disk: which loaders may read them, or why none may."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.vetting import configs, graphs, operators
from pytest_edgegate.backends.keras.vetting.lists import Loader, harmless_operators, names
from pytest_edgegate.backends.keras.vetting.trial import AGAIN, Trial
from pytest_edgegate.backends.keras.vetting.wiring import stuck
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.environment import versions
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.reading.archives import Archive, Limits, opened
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import read_bytes

_SUFFIX = ".keras"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LARGEST_CONFIG = 64_000_000
_OTHER_GRAPHS = ("saved_model.pbtxt", "saved_model.cpb")
"""Files that loaders of TensorFlow may read instead of ``saved_model.pb``."""
_LARGEST_GRAPH = 2**31 - 1
"""The largest size of a protocol buffer in bytes, by its definition."""
_LIMITS = Limits(members=10_000)
_BOTH: tuple[Loader, ...] = ("keras", "tf_keras")
_SHOWN = 4
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


@dataclass(frozen=True)
class Vetted:
    """A vetted file or folder that has not changed since.

    Loaders accept nothing else. ``loaders`` are those whose list covers all of its names, in the
    order to try them; ``note`` is what the preferred loader lacks.
    """

    path: Path
    loaders: tuple[Loader, ...] = ()
    note: str = ""
    allow_code: bool = False
    newer: str = ""
    """The version of Keras that wrote it, if that is newer than the one here."""
    trial: Trial | None = None
    """The trial of its HDF5, which may still be running."""

    def confirm(self) -> None:
        """Waits for the last answers; to be called before a loader.

        Raises UnsupportedError for HDF5 that reaches out of the file, ConfigurationError for what
        can't be read.
        """
        if self.trial is not None:
            reaching = self.trial.found().reaching
            if reaching and not self.allow_code:
                raise _refused(self.path, reaching)


def is_archive(path: Path) -> bool:
    """Whether a zip archive is a saved model of Keras.

    Raises ConfigurationError for a damaged one whose name says that it is.
    """
    try:
        with opened(path, lambda reason: _damaged(path, reason), _LIMITS) as archive:
            return {_CONFIG, _WEIGHTS} <= set(archive.names)
    except ConfigurationError:
        if path.suffix.lower() == _SUFFIX:
            raise
        return False  # other formats are archives too, and say themselves what is wrong with one


def archived_config(path: Path) -> Any:
    """The configuration of the model in a ``.keras`` file. Raises ConfigurationError."""
    with opened(path, lambda reason: _damaged(path, reason), _LIMITS) as archive:
        return configs.of_saved(parse_json(archive.read(_CONFIG, _LARGEST_CONFIG)))


def vet_archive(path: Path, *, allow_code: bool = False) -> Vetted:
    """A ``.keras`` file. Raises UnsupportedError for what is not on the lists."""
    with opened(path, lambda reason: _damaged(path, reason), _LIMITS) as archive:
        config = configs.of_saved(parse_json(archive.read(_CONFIG, _LARGEST_CONFIG)))
        version = _version(archive)
    # tf-keras is Keras 2, and neither reads the archives of the other
    wanted: tuple[Loader, ...] = ("tf_keras",) if version.startswith("2.") else ("keras",)
    newer = version if _is_newer(version) else ""
    vetted = _chosen(path, config, wanted, allow_code, newer)
    return replace(vetted, trial=Trial(path), newer=newer)


def vet_hdf5(path: Path, *, allow_code: bool = False) -> Vetted:
    """An ``.h5`` file. Raises UnsupportedError for what is not on the lists."""
    trial = Trial(path)
    text = trial.found().config
    if text is None:
        raise ConfigurationError(
            f"{path.name} holds weights but no model",
            "save the whole model with model.save('model.keras'), not only its weights",
        )
    with foreign(f"{path.name} can't be read as a Keras model", AGAIN):
        config = parse_json(text)
    return replace(_chosen(path, config, _BOTH, allow_code), trial=trial)


def vet_saved_model(folder: Path, *, allow_code: bool = False) -> Vetted:
    """A SavedModel. Raises UnsupportedError for what is not on the lists."""
    if allow_code:
        return Vetted(folder, allow_code=True)
    beside = [each for each in _OTHER_GRAPHS if os.path.lexists(folder / each)]
    if beside:
        raise _refused(folder, [f"another graph in {each}" for each in beside])
    allowed = harmless_operators()
    with foreign(f"{folder.name} can't be read as a SavedModel", "export it again"):
        content = read_bytes(folder / "saved_model.pb", _LARGEST_GRAPH)
        found = [
            each
            for graph in graphs.meta_graphs(content)
            for each in operators.faults(graph, allowed)
        ]
    if found:
        raise _refused(folder, found)
    return Vetted(folder)


def config_faults(config: Any, loader: Loader) -> list[str]:
    """The names in a configuration that are not on the list of a loader."""
    return list(dict.fromkeys(configs.faults(config, names(loader))))


def _chosen(
    path: Path, config: Any, wanted: tuple[Loader, ...], allow_code: bool, newer: str = ""
) -> Vetted:
    waiting = {loader: stuck(config, loader) for loader in wanted}
    ending = tuple(loader for loader in wanted if not waiting[loader])
    if not ending:
        raise ConfigurationError(
            f"{path.name} can't be read as a Keras model: its layer {waiting[wanted[0]]} waits for "
            "what never comes",
            AGAIN,
        )
    first = waiting[wanted[0]]
    note = f"its layer {first} waits for what never comes there" if first else ""
    if allow_code:
        return Vetted(path, ending, note, allow_code=True)
    found = {loader: config_faults(config, loader) for loader in ending}
    loaders = tuple(loader for loader in ending if not found[loader])
    if not loaders:
        raise _refused(path, min(found.values(), key=len), newer)
    lacking = found[ending[0]]
    return Vetted(path, loaders, note or (f"it names {_listed(lacking)}" if lacking else ""))


def _version(archive: Archive) -> str:
    """The version of Keras that wrote it; empty if it does not say a sensible one."""
    if _METADATA not in archive.names:
        return ""
    metadata = parse_json(archive.read(_METADATA, _LARGEST_CONFIG))
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and _VERSION.match(version) else ""


def _is_newer(version: str) -> bool:
    """Whether a version is newer than that of the Keras here; patches read the same files."""
    numbers = [_VERSION.match(each) for each in (version, installed_keras())]
    there, here = ([] if each is None else [int(each[1]), int(each[2])] for each in numbers)
    return bool(here) and there > here


def installed_keras() -> str:
    """Its version, or an empty text."""
    return versions("keras").get("keras", "")


def _refused(path: Path, found: Sequence[str], newer: str = "") -> UnsupportedError:
    here = installed_keras()
    version = f"; Keras {newer} saved it, and the Keras {here} here may not know them yet"
    return UnsupportedError(
        f"{path.name} names what is not on the list of harmless parts of Keras and TensorFlow "
        f"({_listed(found)}), and a gate runs no code from a file{version if newer else ''}",
        unwrapping(" ".join(found))
        or f"{f'pip install --upgrade keras, or save it by Keras {here}; ' if newer else ''}"
        "where you trust it: edge_allow_code = true in the ini, or load it yourself and return "
        "the model object from edge_model",
    )


def _listed(found: Sequence[str]) -> str:
    unique = sorted(set(found))
    more = f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else ""
    return ", ".join(unique[:_SHOWN]) + more


def _damaged(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{path.name} is a damaged archive: {reason}", AGAIN)
