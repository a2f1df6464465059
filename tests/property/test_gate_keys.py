"""Keys of the cache: the same for the same parts, another one for any other part."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_edgegate.storage.cache import key_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
PARTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)


def turned(value: Any) -> Any:
    """The same with every dictionary in another order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(list(value))}
    return [turned(each) for each in value] if isinstance(value, list) else value


def spelt(value: Any) -> Any:
    """Tells True from 1, 1 from 1.0 and 0.0 from -0.0, which compare equal."""
    if isinstance(value, dict):
        return sorted((key, spelt(each)) for key, each in value.items())
    if isinstance(value, list):
        return [spelt(each) for each in value]
    return repr(value)


@settings(deadline=None)
@given(PARTS)
def test_the_order_of_dictionaries_does_not_matter(parts: dict[str, Any]) -> None:
    assert key_of(**parts) == key_of(**turned(parts))
    assert len(key_of(**parts)) == 64


@settings(deadline=None, max_examples=300)
@given(PARTS, st.data())
def test_any_part_that_differs_makes_another_key(
    parts: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(parts)))
    other = data.draw(VALUES)
    assume(repr(spelt(other)) != repr(spelt(parts[name])))
    assert key_of(**parts) != key_of(**{**parts, name: other})


@settings(deadline=None)
@given(PARTS, NAMES, VALUES)
def test_one_part_more_makes_another_key(parts: dict[str, Any], name: str, value: Any) -> None:
    assume(name not in parts)
    assert key_of(**parts) != key_of(**parts, **{name: value})


@settings(deadline=None)
@given(st.lists(SCALARS, max_size=4))
def test_a_tuple_is_a_list(values: list[Any]) -> None:
    assert key_of(part=values) == key_of(part=tuple(values))
