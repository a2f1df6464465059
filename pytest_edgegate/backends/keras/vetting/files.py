"""A saved model as it lies on disk, vetted: which loaders may see it, or why none does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras.vetting import configs, graphs, hdf5
from pytest_edgegate.backends.keras.vetting.lists import Loader, names, operators
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnsupportedError,
)
from pytest_edgegate.reading.archives import Archive, Limits, opened
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import open_regular, read_bytes

_SUFFIX = ".keras"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LARGEST_CONFIG = 64_000_000
_LARGEST_GRAPH = 2**31 - 1
"""Bytes of a protocol buffer, by its own definition."""
_LIMITS = Limits(members=10_000)
_BOTH: tuple[Loader, ...] = ("keras", "tf_keras")
_AGAIN = "save it again with model.save('model.keras'), or return the model object from edge_model"
_SHOWN = 4


@dataclass(frozen=True)
class Vetted:
    """A file or a folder that was looked at, and that has not changed since.

    Loaders take nothing else. ``loaders`` are those whose list has all that it names, in the order
    in which they are to be tried; ``note`` says what the first choice lacks.
    """

    path: Path
    loaders: tuple[Loader, ...] = ()
    note: str = ""
    allow_code: bool = False


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


def vet_archive(path: Path, *, allow_code: bool = False) -> Vetted:
    """A ``.keras`` file. Raises UnsupportedError for what is not on the lists."""
    with opened(path, lambda reason: _damaged(path, reason), _LIMITS) as archive:
        config = configs.of_saved(parse_json(archive.read(_CONFIG, _LARGEST_CONFIG)))
        reaching = list(_in_members(archive))
        old = _is_old(archive)
    return _chosen(path, config, reaching, ("tf_keras",) if old else ("keras",), allow_code)


def vet_hdf5(path: Path, *, allow_code: bool = False) -> Vetted:
    """An ``.h5`` file. Raises UnsupportedError for what is not on the lists."""
    _need_h5py()
    what = f"{path.name} can't be read as a Keras model"
    with foreign(what, _AGAIN), open_regular(path) as raw, hdf5.open_hdf5(raw) as file:
        text = hdf5.text_of(file, "model_config")
        reaching = list(hdf5.faults(file))
    if text is None:
        raise ConfigurationError(
            f"{path.name} holds weights but no model",
            "save the whole model with model.save('model.keras'), not only its weights",
        )
    with foreign(what, _AGAIN):
        config = parse_json(text)
    return _chosen(path, config, reaching, _BOTH, allow_code)


def vet_saved_model(folder: Path, *, allow_code: bool = False) -> Vetted:
    """A SavedModel. Raises UnsupportedError for what is not on the lists."""
    if allow_code:
        return Vetted(folder, allow_code=True)
    allowed = operators()
    with foreign(f"{folder.name} can't be read as a SavedModel", "export it again"):
        content = read_bytes(folder / "saved_model.pb", _LARGEST_GRAPH)
        found = [
            each
            for graph in graphs.meta_graphs(content, allowed.plain)
            for each in graphs.faults(graph, allowed)
        ]
    if found:
        raise _refused(folder, found)
    return Vetted(folder)


def config_faults(config: Any, loader: Loader) -> list[str]:
    """What a configuration names that is not on the list of a loader."""
    return list(dict.fromkeys(configs.faults(config, names(loader))))


def _chosen(
    path: Path, config: Any, reaching: list[str], wanted: tuple[Loader, ...], allow_code: bool
) -> Vetted:
    if allow_code:
        return Vetted(path, wanted, allow_code=True)
    if reaching:
        raise _refused(path, reaching)
    found = {loader: config_faults(config, loader) for loader in wanted}
    loaders = tuple(loader for loader in wanted if not found[loader])
    if not loaders:
        raise _refused(path, min(found.values(), key=len))
    lacking = found[wanted[0]]
    return Vetted(path, loaders, f"it names {_listed(lacking)}" if lacking else "")


def _is_old(archive: Archive) -> bool:
    """Whether tf-keras, which is Keras 2, wrote it: neither reads the archives of the other."""
    if _METADATA not in archive.names:
        return False
    metadata = parse_json(archive.read(_METADATA, _LARGEST_CONFIG))
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return isinstance(version, str) and version.startswith("2.")


def _in_members(archive: Archive) -> Iterator[str]:
    for name in archive.names:
        if name.lower().endswith((".h5", ".hdf5")):
            _need_h5py()
            with hdf5.open_hdf5(archive.seekable(name)) as file:
                yield from hdf5.faults(file)


def _need_h5py() -> None:
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError("h5py", "a Keras model", "keras") from error


def _refused(path: Path, found: Sequence[str]) -> UnsupportedError:
    return UnsupportedError(
        f"{path.name} names what is not on the list of harmless parts of Keras and TensorFlow "
        f"({_listed(found)}), and a gate runs no code from a file",
        "where you trust it: edge_allow_code = true in the ini, or load it yourself and return "
        "the model object from edge_model",
    )


def _listed(found: Sequence[str]) -> str:
    unique = sorted(set(found))
    more = f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else ""
    return ", ".join(unique[:_SHOWN]) + more


def _damaged(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{path.name} is a damaged archive: {reason}", _AGAIN)
