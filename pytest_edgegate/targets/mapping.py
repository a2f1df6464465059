"""How a target's compiler divides a file between its chip and the CPU."""

from __future__ import annotations

from types import MappingProxyType

from pytest_edgegate.core.target import MappingRules
from pytest_edgegate.targets.values import Table

RULES = (
    "version",
    "file",
    "operator",
    "dtype",
    "dimensions",
    "dynamic",
    "parameters",
    "limit",
    "downstream",
)
"""The rules that keep an operator on the CPU: what a compiler may have words of its own for."""
GUESSES = (*RULES, "int16", "large", "newest", "separate")
"""What may not be certain."""
_TEXTS = ("name", "compiler", "runtime")
_LISTS = ("activations", "cpu", "cpu_at_ends")
_TABLES = {"words": RULES, "guesses": GUESSES, "sources": RULES}
_KEYS = (*_TEXTS, *_LISTS, *_TABLES, "most_dimensions", "largest_seen", "newest")
_NEEDED = ("name", "compiler", "runtime", "activations", "most_dimensions")


def mapping_from(table: Table, base: MappingRules | None) -> MappingRules:
    """The rules of a table; what is missing is that of *base*. Raises ConfigurationError."""
    table.check_keys(_KEYS, "mapping")
    given: dict[str, object] = {key: table.text(key) for key in _TEXTS if key in table}
    given |= {key: table.names(key, may_be_empty=True) for key in _LISTS if key in table}
    if "most_dimensions" in table:
        given["most_dimensions"] = table.size("most_dimensions")
    if "largest_seen" in table:
        given["largest_seen"] = float(table.size("largest_seen"))
    if "newest" in table:
        newest = table.table("newest")
        given["newest"] = MappingProxyType({each: newest.versions(each) for each in newest.values})
    for key, known in _TABLES.items():
        if key in table:
            texts = table.table(key)
            texts.check_keys(known, key)
            given[key] = MappingProxyType(texts.texts())
    known_ones = {} if base is None else vars(base)
    lacking = [key for key in _NEEDED if key not in {**known_ones, **given}]
    if lacking:
        raise table.wrong(
            f"mapping lacks {', '.join(lacking)}", 'give them, or start from = "coral"'
        )
    return MappingRules(**{**known_ones, **given})
