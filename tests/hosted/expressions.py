"""The expressions of GitHub's workflows, as far as the recipes use them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|!|\(|\)|,|[A-Za-z_][\w.-]*|\d+)")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_INSERTED = re.compile(r"\$\{\{(.*?)\}\}", re.S)


def evaluated(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Any]) -> Any:
    """The value of one expression. Raises LookupError for a name that the contexts do not have."""
    return eval(_as_python(text), {"look": _looker(contexts), "call": functions})


def filled_in(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Any]) -> str:
    """The text with its ``${{ ... }}`` evaluated."""
    return _INSERTED.sub(lambda found: _shown(evaluated(found[1], contexts, functions)), text)


def _as_python(text: str) -> str:
    text, parts, at = text.strip(), [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text!r} is no expression that the recipes should need")
        token, at = found[1], found.end()
        parts.append(_translated(token, called=text[at : at + 1] == "("))
    return "".join(parts)


def _translated(token: str, *, called: bool) -> str:
    if token.startswith("'"):
        return repr(token[1:-1].replace("''", "'"))
    if token in _WORDS or not token[0].isalpha():
        return _WORDS.get(token, token)
    return f"call[{token!r}]" if called else f"look({token!r})"


def _looker(contexts: Mapping[str, Any]) -> Callable[[str], Any]:
    def look(name: str) -> Any:
        value: Any = contexts
        for part in name.split("."):
            value = None if value is None else value[part] if part in value else _absent(name)
        return value

    return look


def _absent(name: str) -> None:
    """What a step has not said is nothing; any other name that is not there is a mistake."""
    if not name.startswith("steps."):
        raise LookupError(name)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
