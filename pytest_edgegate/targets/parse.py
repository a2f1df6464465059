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

_STRINGS = ("title", "machine", "default_io", "activations", "extra")
_LISTS = ("formats", "dtypes", "io_dtypes", "float_operators")
_FLAGS = ("complete_with_ptq", "static_shape", "per_channel_dense")
_DTYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
_ACTIVATIONS = ("uint8", "int8")
_MOST_BYTES = 1 << 63
_RULE_KEYS = ("since", "limits", "note", "source")
_TEXTS = ("preferred", "cautions", "sources")
_KEYS = {*_STRINGS, *_LISTS, *_FLAGS, *_TEXTS, "memory_bytes", "runtimes", "latency", "operators"}


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
    for key in _TEXTS:
        if key in table:
            values[key] = MappingProxyType(_texts(where, table, key))
    if "runtimes" in table:
        runtimes = _table(where, table, "runtimes")
        values["runtimes"] = MappingProxyType(
            {form: _list(where, f"runtimes.{form}", names) for form, names in runtimes.items()}
        )
    latency = _table(where, table, "latency")
    for key in latency:
        if key not in ("source", "remedy"):
            raise ConfigurationError(
                f"{where}: unknown key latency.{key}", "its keys are source and remedy"
            )
        values[f"latency_{key}"] = _typed(where, latency, key, str, "latency.")[key]
    if "operators" in table:
        rules = _table(where, table, "operators")
        own = {
            kind: _rule(f"{where}: operators.{kind}", _table(f"{where}: operators", rules, kind))
            for kind in rules
        }
        values["operators"] = MappingProxyType({**(base.operators if base else {}), **own})
    return _complete(where, values, base)


def _complete(where: str, values: dict[str, Any], base: Target | None) -> Target:
    if base is not None:
        return _consistent(where, replace(base, **values))
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
    made = {key: value for key, value in (defaults | values).items() if key in known}
    return _consistent(where, Target(**made))


def _consistent(where: str, target: Target) -> Target:
    if set(target.runtimes) != set(target.formats):
        raise ConfigurationError(
            f"{where}: runtimes are given for {', '.join(target.runtimes)}, formats are "
            f"{', '.join(target.formats)}",
            "give every format its runtimes, the one that measures accuracy first",
        )
    strange = [form for form in target.preferred.values() if form not in target.formats]
    if strange:
        raise ConfigurationError(
            f"{where}: preferred names {strange[0]}, which is none of its formats",
            f"its formats are {', '.join(target.formats)}",
        )
    return target


def _typed(
    where: str, table: Mapping[str, Any], key: str, kind: type, inside: str = ""
) -> dict[str, Any]:
    if key not in table:
        return {}
    value, said = table[key], f"{inside}{key}"
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigurationError(
            f"{where}: {said} = {value!r} is not a {kind.__name__}",
            f"give {said} a value of type {kind.__name__}",
        )
    if isinstance(value, int) and kind is int and not 0 < value < _MOST_BYTES:
        raise ConfigurationError(
            f"{where}: {said} is no size of a memory", f"give {said} a number of bytes"
        )
    allowed = {"default_io": _DTYPES, "activations": _ACTIVATIONS}.get(key)
    if allowed and value not in allowed:
        raise ConfigurationError(
            f"{where}: {key} = {value!r} is not a dtype of it", f"dtypes are {', '.join(allowed)}"
        )
    return {key: value}


def _names(where: str, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    if key not in table:
        return {}
    value = _list(where, key, table[key], empty=key in ("io_dtypes", "float_operators"))
    for each in value if key in ("dtypes", "io_dtypes") else []:
        if each not in _DTYPES:
            raise ConfigurationError(
                f"{where}: {key} has {each!r}{nearest(each, _DTYPES)}",
                f"dtypes are {', '.join(_DTYPES)}",
            )
    return {key: value}


def _list(where: str, key: str, value: Any, *, empty: bool = False) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ConfigurationError(
            f"{where}: {key} = {value!r} is not a list of names", f'write {key} = ["..."]'
        )
    if not value and not empty:
        raise ConfigurationError(f"{where}: {key} names nothing", f'write {key} = ["..."]')
    return tuple(value)


def _texts(where: str, table: Mapping[str, Any], key: str) -> dict[str, str]:
    found = _table(where, table, key)
    for name, value in found.items():
        if not isinstance(value, str):
            raise ConfigurationError(
                f"{where}: {key}.{name} = {value!r} is not a str", f"give {key}.{name} a text"
            )
    return dict(found)


def _table(where: str, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: {key} is not a table", f"write it as [... .{key}]")
    return value


def _rule(where: str, rule: Mapping[str, Any]) -> OperatorRule:
    for key in rule:
        if key not in _RULE_KEYS:
            raise ConfigurationError(
                f"{where} has the unknown key {key!r}{nearest(key, _RULE_KEYS)}",
                f"its keys are {', '.join(_RULE_KEYS)}",
            )
    limits = _list(where, "limits", rule.get("limits", []), empty=True)
    unknown = [limit for limit in limits if limit not in LIMITS]
    if unknown:
        raise ConfigurationError(
            f"{where} has the unknown limit {unknown[0]!r}{nearest(unknown[0], LIMITS)}",
            f"limits are {', '.join(LIMITS)}",
        )
    return OperatorRule(
        since=str(rule.get("since", "")),
        limits=limits,
        note=str(rule.get("note", "")),
        source=str(rule.get("source", "")),
    )
