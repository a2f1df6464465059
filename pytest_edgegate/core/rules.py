"""How a run judges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """How strictly a run judges, and what it lets go unmeasured."""

    policy: str = "point"
    allowed: frozenset[tuple[str | None, str]] = frozenset()
    """(target or None for all, metric)."""

    def allows(self, target: str, metric: str) -> bool:
        return (target, metric) in self.allowed or (None, metric) in self.allowed
