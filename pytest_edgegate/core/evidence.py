"""What a figure of a chip that is not here has to rest on: the ini key edge_evidence."""

from __future__ import annotations

from dataclasses import dataclass

INI_KEY = "edge_evidence"
PREDICTED, VENDOR = "predicted", "vendor"
EVIDENCE = (PREDICTED, VENDOR)
"""What may be asked for: ``predicted`` takes any figure, ``vendor`` none that our rules give."""


@dataclass(frozen=True)
class Evidence:
    """What the user asks for, as (target or None for all, one of ``EVIDENCE``)."""

    asked: tuple[tuple[str | None, str], ...] = ()

    def refuses(self, source: str, target: str) -> bool:
        """Whether a figure of this source is not enough for the target."""
        asked = dict(self.asked)
        wanted = asked.get(target, asked.get(None, PREDICTED))
        return wanted == VENDOR and source.startswith(f"{PREDICTED}:")


ANY_EVIDENCE = Evidence()
