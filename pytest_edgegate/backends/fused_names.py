"""Names of tensors, which converters make of the names of all layers that they have fused."""

from __future__ import annotations

_LONGEST = 60


def without_fused(name: str) -> str:
    """The name of the first layer only."""
    first, fused, _ = name.partition(";")
    if len(first) > _LONGEST:
        return f"{first[: _LONGEST - 3]}..."
    return f"{first};..." if fused else first
