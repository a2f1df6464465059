"""A table of a target file, or of a user's pyproject.toml, as a Target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, nearest
from pytest_edgegate.core.target import OperatorRule, Target

LIMITS = (
    "default_weights_format",
    "no_batch_padding",
    "no_batch_reduction",
    "no_fused_activation",
    "per_tensor_weights",
    "same_dilation",
    "softmax_size",
    "unit_strides",
)
"""The limits on an operator that can be checked on a file."""

_STRINGS = ("title", "machine", "default_io", "extra")
_LISTS = ("formats", "dtypes", "io_dtypes")
_FLAGS = ("complete_with_ptq", "static_shape", "per_channel_dense")
_DTYPES = ("float32", "float16", "int8", "uint8", "int16")
_KEYS = {*_STRINGS, *_LISTS, *_FLAGS, "memory_bytes", "runtimes", "latency", "sources", "operators"}


def target_from_table(
    name: str, table: Mapping[str, Any], *, base: Target | None = None, origin: str = ""
) -> Target:
    """The target that *table* describes; what it leaves out is taken from *base*.

    Raises ConfigurationError for an unknown key, a value of the wrong type or a missing key.
    """
    where = f"target {name!r} ({origin})" if origin else f"target {name!r}"
    for key in table:
        if key not in _KEYS:
            raise ConfigurationError(
                f"{where}: unknown key {key!r}{nearest(key, sorted(_KEYS))}",
                f"the keys of a target are {', '.join(sorted(_KEYS))}",
            )
    values: dict[str, Any] = {"name": name, "origin": origin}
    for key in _STRINGS:
        values |= _typed(where, table, key, str)
    for key in _FLAGS:
        values |= _typed(where, table, key, bool)
    for key in _LISTS:
        values |= _names(where, table, key)
    values |= _typed(where, table, "memory_bytes", int)
    for key in ("sources",):
        if key in table:
            values[key] = MappingProxyType(dict(_table(where, table, key)))
    if "runtimes" in table:
        runtimes = {form: tuple(names) for form, names in _table(where, table, "runtimes").items()}
        values["runtimes"] = MappingProxyType(runtimes)
    latency = _table(where, table, "latency")
    for key in latency:
        if key not in ("source", "remedy"):
            raise ConfigurationError(
                f"{where}: unknown key latency.{key}", "its keys are source and remedy"
            )
        values[f"latency_{key}"] = latency[key]
    if "operators" in table:
        own = {kind: _rule(where, kind, rule) for kind, rule in table["operators"].items()}
        values["operators"] = MappingProxyType({**(base.operators if base else {}), **own})
    return _complete(where, values, base)


def _complete(where: str, values: dict[str, Any], base: Target | None) -> Target:
    if base is not None:
        return replace(base, **values)
    wanted = {"formats", "dtypes", "runtimes"} - values.keys()
    if wanted:
        raise ConfigurationError(
            f"{where}: {', '.join(sorted(wanted))} missing",
            'give them, or start from a built-in target with: from = "coral"',
        )
    defaults: dict[str, Any] = {
        "title": values["name"],
        "machine": values["name"],
        "io_dtypes": (),
        "default_io": values["dtypes"][0],
        "complete_with_ptq": values["dtypes"] == ("int8",),
        "static_shape": True,
        "per_channel_dense": True,
        "extra": "all",
    }
    known = {field.name for field in fields(Target)}
    return Target(**{key: value for key, value in (defaults | values).items() if key in known})


def _typed(where: str, table: Mapping[str, Any], key: str, kind: type) -> dict[str, Any]:
    if key not in table:
        return {}
    value = table[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigurationError(
            f"{where}: {key} = {value!r} is not a {kind.__name__}",
            f"give {key} a value of type {kind.__name__}",
        )
    if key == "default_io" and value not in _DTYPES:
        raise ConfigurationError(
            f"{where}: default_io = {value!r} is not a dtype", f"dtypes are {', '.join(_DTYPES)}"
        )
    return {key: value}


def _names(where: str, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    if key not in table:
        return {}
    value = table[key]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(
            f"{where}: {key} = {value!r} is not a list of names", f'write {key} = ["..."]'
        )
    for each in value if key != "formats" else []:
        if each not in _DTYPES:
            raise ConfigurationError(
                f"{where}: {key} has {each!r}{nearest(each, _DTYPES)}",
                f"dtypes are {', '.join(_DTYPES)}",
            )
    return {key: tuple(value)}


def _table(where: str, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: {key} is not a table", f"write it as [... .{key}]")
    return value


def _rule(where: str, kind: str, rule: Mapping[str, Any]) -> OperatorRule:
    unknown = [limit for limit in rule.get("limits", ()) if limit not in LIMITS]
    if unknown:
        raise ConfigurationError(
            f"{where}: operator {kind} has the unknown limit {unknown[0]!r}"
            f"{nearest(unknown[0], LIMITS)}",
            f"limits are {', '.join(LIMITS)}",
        )
    return OperatorRule(
        since=str(rule.get("since", "")),
        limits=tuple(rule.get("limits", ())),
        note=str(rule.get("note", "")),
        source=str(rule.get("source", "")),
    )
