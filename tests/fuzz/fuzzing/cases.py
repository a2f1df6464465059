"""Inputs by number: a seed and a few faults, all drawn from (format, seed, number)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from fuzzing.draft import Draft, Fault
from fuzzing.formats import Format

_HEALTHY = 100
"""One input of so many is a seed as it is: to refuse everything would look well."""
_STRUCTURED = 0.65


@dataclass(frozen=True)
class Step:
    """One fault, with the draws that are its own, so that it stays as it is without the others."""

    fault: Fault
    draws: str

    @property
    def name(self) -> str:
        return self.fault.__name__


@dataclass(frozen=True)
class Case:
    """One input: reproducible from what it is named by."""

    format: Format
    seed: int
    number: int
    kept: tuple[int, ...] | None = None
    """The positions of the steps that are taken; None for all of them."""

    def steps(self) -> list[Step]:
        draw = random.Random(f"{self.format.name} {self.seed} {self.number} steps")
        if self.number % _HEALTHY == 0 or not self.format.structured:
            return []
        count = draw.choice((1, 1, 1, 2, 2, 3, 5))
        structured = sum(draw.random() < _STRUCTURED for _ in range(count))
        kinds: Sequence[Sequence[Fault]] = [
            *[self.format.structured] * structured,
            *[self.format.bytewise] * (count - structured),  # what they break can't be parsed again
        ]
        name = f"{self.format.name} {self.seed} {self.number}"
        made = [Step(draw.choice(kind), f"{name} {at}") for at, kind in enumerate(kinds)]
        return made if self.kept is None else [made[at] for at in self.kept]

    def make(self) -> tuple[Draft, list[str]]:
        """The input, and the names of the faults that it has."""
        draw = random.Random(f"{self.format.name} {self.seed} {self.number} seed")
        seed = draw.choice(self.format.seeds)
        draft, done = Draft.of(seed), [f"the seed {seed.name}"]
        for step in self.steps():
            before = dict(draft.files)
            try:
                step.fault(draft, random.Random(step.draws))
            except Exception as error:  # noqa: BLE001 - a fault finds nothing to break, or broke its tool
                draft.files = before
                done.append(f"{step.name} ({type(error).__name__})")
            else:
                done.append(step.name)
        return draft, done
