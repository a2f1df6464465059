"""Indices beyond the rows of a table: token ids out of a vocabulary, as frameworks report them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.data.splits import Array

_WORDS = tuple(
    map(
        re.compile,
        (
            r"indices\[[\d,]*\] = (?P<index>-?\d+) is not in \[0, (?P<rows>\d+)\)",  # TensorFlow
            r"idx=(?P<index>-?\d+) must be within the inclusive range \[-\d+,(?P<last>\d+)\]",
            r"index (?P<index>-?\d+) is out of bounds for dimension \d+ with size (?P<rows>\d+)",
            r"index out of range in self",  # torch's embedding
            r"gather index out of bounds",  # LiteRT
        ),
    )
)


@dataclass(frozen=True)
class Lookup:
    """A look-up that failed, as far as it is known."""

    index: int | None = None
    rows: int | None = None
    """How many rows the table has."""


def beyond_table(
    error: Exception,
    name: str,
    inputs: Iterable[TensorInfo],
    arrays: Iterable[Array],
    find: Callable[[], Lookup] = Lookup,
) -> InferenceError | None:
    """The error for samples with an index that a table has no row for; None for another *error*.

    *name*: the model. *inputs* and *arrays*: the batch that it failed on. *find*: looks for the
    table where the words of the runtime do not tell its size.
    """
    matched = next((each for words in _WORDS if (each := words.search(str(error)))), None)
    if matched is None:
        return None
    told = _told(matched)
    found = find() if told.rows is None else told
    rows = found.rows
    what = "an index" if found.index is None else f"the index {found.index}"
    table = "the table" if rows is None else f"the {rows} rows of the table"
    seen = [
        f"{each.name} from {array.min()} to {array.max()}"
        for each, array in zip(inputs, arrays, strict=True)
        if array.dtype.kind in "iu" or each.dtype.startswith(("int", "uint"))
    ]
    beside = f"; the batch that it failed on has {', '.join(seen)}" if seen else ""
    last = "" if rows is None else f", from 0 to {rows - 1}"
    return InferenceError(
        f"{name}: the samples have {what} outside {table} that it is looked up in (an embedding or "
        f"Gather){beside}",
        f"give token ids of the vocabulary that the model was trained with{last}",
    )


def _told(matched: re.Match[str]) -> Lookup:
    given = {key: int(value) for key, value in matched.groupdict().items() if value is not None}
    rows = given.get("rows", given["last"] + 1 if "last" in given else None)
    return Lookup(given.get("index"), rows)


def in_tables(rows: Iterable[int], arrays: Iterable[Array]) -> Lookup:
    """The look-up that integers must have failed in, by how many *rows* the tables of a file have.

    It is known of the smallest table that lacks one of them.
    """
    integers = [array for array in arrays if array.dtype.kind in "iu"]
    least = min((int(array.min()) for array in integers), default=0)
    most = max((int(array.max()) for array in integers), default=0)
    smallest = min(rows, default=None)
    if smallest is not None and not 0 <= least <= most < smallest:
        return Lookup(least if least < 0 else most, smallest)
    return Lookup()
