"""Vets the zip file of a .pt2 archive, which must hold data but no code.

``torch.export.load`` unpickles some members, loads compiled libraries from others, evaluates
expressions of the graph and compiles its names to Python. So torch never reads the user's file:
everything in it is checked here with the standard library, and torch reads a copy of the checked
content only (zip readers differ in their handling of duplicates and broken directories).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pytest_edgegate.backends.torch.pickled import foreign_globals
from pytest_edgegate.backends.torch.program import (
    faults_in_payloads,
    faults_in_program,
    without_notes,
)
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.reading.archives import Archive, Limits, opened
from pytest_edgegate.reading.documents import parse_json

_MODEL = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_PAYLOADS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_TENSOR = re.compile(r"data/(weights/weight|constants/tensor)_\d+", re.ASCII)
_PLAIN = frozenset(
    {
        _MODEL,
        _SAMPLES,
        *_PAYLOADS,
        "archive_format",
        "archive_version",
        "byteorder",
        ".data/version",
        ".data/serialization_id",
    }
)
_FOLDERS = (*_PLAIN, "data/weights/", "data/constants/", "extra/")
"""What folders may lie on the way to: other programs than torch write members for these, too."""
_OTHER_MODEL = re.compile(r"models/[^/]+\.json")
_OLD = "serialized_exported_program.json"
"""The program in archives of torch 2.7 and older."""
SAVE_AGAIN = "save it again with torch.export.save(torch.export.export(model, (x,)), path)"
_QUANTISED = b'"torch.ops.quantized_decomposed.'
"""The prefix of the targets of quantising and dequantising operators."""
_JSON_BYTES = 500_000_000
"""The largest JSON of a graph in bytes: 100,000 operators take about a tenth of that."""
_LIMITS = Limits()


def is_archive(path: Path) -> bool:
    """Whether a zip file is a .pt2 archive. Raises ConfigurationError for a damaged one."""
    return any("models/" in name for name in _names(path))


def is_torch_save(path: Path) -> bool:
    """Whether a zip file is what torch.save or torch.jit.save made: a pickle in the main."""
    return any(name.endswith("/data.pkl") and name.count("/") == 1 for name in _names(path))


def is_quantised(path: Path) -> bool:
    """Whether the program in an archive computes in integers, as its operators show."""
    with _opened(path) as archive:
        members = _members(archive)
        return any(_QUANTISED in archive.read(member) for member, name in members if name == _MODEL)


def refuse_code(path: Path) -> None:
    """Refuses an archive with code in it, reading it without torch.

    Raises UnsupportedError for what would run, ConfigurationError for what can't be read.
    """
    with _opened(path) as archive:
        _refuse(path, archive)


def vetted(path: Path) -> io.BytesIO:
    """A copy of the archive for torch to read, of what was looked at and nothing else.

    It is without the sample inputs, which are a pickle, and without guards and stack traces.
    Raises as ``refuse_code`` does.
    """
    made = io.BytesIO()
    with _opened(path) as archive:
        _refuse(path, archive)
        with zipfile.ZipFile(made, "w") as out:
            for member, name in _members(archive):
                undated = zipfile.ZipInfo(f"archive/{name}")
                out.writestr(undated, _content(archive, member, name))
    made.seek(0)
    return made


def _content(archive: Archive, member: str, name: str) -> bytes:
    if name == _SAMPLES:
        return b""
    content = archive.read(member)
    if name == _MODEL:
        return json.dumps(without_notes(parse_json(content))).encode()
    return content


def _refuse(path: Path, archive: Archive) -> None:
    if _inflates(archive, path.stat().st_size):
        raise _damaged(path, "its members are compressed or overlap, which torch never writes")
    _refuse_other_forms(path, archive)
    strangers = _strangers(archive)
    if strangers:
        raise UnsupportedError(
            f"{path.name} holds members that torch.export.save does not write "
            f"({', '.join(strangers[:4])}), and a gate reads none that it does not know",
            f"{SAVE_AGAIN}; files of your own as extra_files={{name: text}}, or beside it; "
            f"{_where_trusted(path)}",
        )
    found = sorted(set(_faults(archive)))
    if found:
        raise UnsupportedError(
            f"{path.name} holds what can run code ({', '.join(found[:4])}), and a gate runs no "
            "code from a file",
            _where_trusted(path),
        )


def _refuse_other_forms(path: Path, archive: Archive) -> None:
    """Refuses what is no archive of an exported program as torch writes them today."""
    names = archive.names
    if _OLD in names:
        raise UnsupportedError(
            f"{path.name} is a program of torch.export in the form of torch 2.7 and older",
            "where you trust it, save it again: "
            f'torch.export.save(torch.export.load("{path.name}"), path)',
        )
    if not any("models/" in name for name in names):
        raise _damaged(path, "it holds no exported program")
    if _MODEL in names:
        raise _damaged(path, "its members lie in no folder, as torch.export.save writes them")
    other = sorted(_inner(name) for name in names if _OTHER_MODEL.fullmatch(_inner(name)))
    if other and not any(_inner(name) == _MODEL for name in names):
        raise UnsupportedError(
            f"{path.name} holds its program as {other[0]}, where torch.export.save writes {_MODEL}",
            f"{SAVE_AGAIN}; {_where_trusted(path)}",
        )


def _where_trusted(path: Path) -> str:
    return (
        "where you trust it, load it yourself and return the module from edge_model: "
        f'torch.export.load("{path.name}").module()'
    )


def _strangers(archive: Archive) -> list[str]:
    """The members, of any kind, that an archive of torch.export.save does not have."""
    members = (_inner(each) for each in archive.names)
    unknown = {
        name
        for name in members
        if name not in _PLAIN and not _TENSOR.fullmatch(name) and not name.startswith("extra/")
    }
    folders = {_inner(each) for each in archive.folders}
    unknown |= {each for each in folders if not any(name.startswith(each) for name in _FOLDERS)}
    return [f"the member {name[:60]!r}" for name in sorted(unknown)]


def _faults(archive: Archive) -> Iterator[str]:
    names = [name.lower() for _, name in _members(archive)]  # as torch looks a member up
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the member {name} twice"
    roots = {each.split("/")[0] for each in (*archive.names, *archive.folders)}
    if len(roots) > 1:
        yield f"members of several archives: {', '.join(sorted(roots)[:3])}"
    for member, name in _members(archive):
        if name in (_MODEL, *_PAYLOADS) and archive.size(member) > _JSON_BYTES:
            yield f"{name} of {archive.size(member)} bytes"
        elif name == _MODEL:
            yield from faults_in_program(parse_json(archive.read(member)))
        elif name in _PAYLOADS:
            sizes = {inner: archive.size(each) for each, inner in _members(archive)}
            folder = name.rsplit("/", 1)[0]
            yield from faults_in_payloads(parse_json(archive.read(member)), folder, sizes)
        elif name == _SAMPLES:
            yield from _in_samples(archive.read(member))


def _in_samples(content: bytes) -> Iterator[str]:
    """The imports of a torch.save member, except those for plain tensors."""
    if not content:
        return
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        inner = Archive(zipped, _LIMITS)
        if _inflates(inner, len(content)):
            yield f"the compressed {_SAMPLES}"
            return
        for name in inner.names:
            if name.lower().endswith(".pkl"):
                yield from (f"{_SAMPLES}: {each}" for each in foreign_globals(inner.read(name)))


def _inflates(archive: Archive, size: int) -> bool:
    """Whether reading every member gives more than the *size* of the archive."""
    return sum(map(archive.size, archive.names)) > size


def _members(archive: Archive) -> list[tuple[str, str]]:
    """The members that torch is to read, with their names inside the archive."""
    found = [(each, _inner(each)) for each in archive.names]
    return [(each, name) for each, name in found if name in _PLAIN or _TENSOR.fullmatch(name)]


def _inner(member: str) -> str:
    return member.split("/", 1)[-1]


def _names(path: Path) -> tuple[str, ...]:
    with _opened(path) as archive:
        return archive.names


def _opened(path: Path) -> AbstractContextManager[Archive]:
    return opened(path, lambda reason: _damaged(path, reason), _LIMITS)


def _damaged(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} is a damaged archive: {reason}",
        SAVE_AGAIN,
    )
