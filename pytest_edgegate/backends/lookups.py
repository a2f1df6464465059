"""Indices beyond the rows of a table: token ids out of a vocabulary, as frameworks report them."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def beyond_table(
    error: Exception, name: str, inputs: Iterable[TensorInfo], arrays: Iterable[Array]
) -> InferenceError | None:
    """The error for samples with an index that a table has no row for; None for another *error*.

    *name*: the model. *inputs* and *arrays*: the batch that it failed on.
    """
    found = next((each for words in _WORDS if (each := words.search(str(error)))), None)
    if found is None:
        return None
    given = found.groupdict()
    rows = given.get("rows") or (str(int(given["last"]) + 1) if given.get("last") else None)
    what = "an index" if given.get("index") is None else f"the index {given['index']}"
    table = "the table" if rows is None else f"the {rows} rows of the table"
    seen = [
        f"{each.name} from {array.min()} to {array.max()}"
        for each, array in zip(inputs, arrays, strict=True)
        if array.dtype.kind in "iu" or each.dtype.startswith(("int", "uint"))
    ]
    beside = f"; the batch that it failed on has {', '.join(seen)}" if seen else ""
    last = "" if rows is None else f", from 0 to {int(rows) - 1}"
    return InferenceError(
        f"{name}: the samples have {what} outside {table} that it is looked up in (an embedding or "
        f"Gather){beside}",
        f"give token ids of the vocabulary that the model was trained with{last}",
    )
