"""The answers of a model on some samples, as a user's own metric reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence, output_key

_SEED = 0
_ALL = slice(None)


@dataclass(frozen=True)
class Answers:
    """``outputs`` by name, each of shape (n, ...); of a single output the name is empty.

    ``inputs``: an array, or a tuple or dict of arrays, as in the user's data; None if the metric
    does not read them.
    """

    outputs: Mapping[str, Array]
    labels: Array
    inputs: Any = None

    @classmethod
    def of_batch(cls, output: Any, labels: Array, inputs: Any) -> Answers:
        """*output*: an array, or a dict of arrays by name."""
        return cls(output if isinstance(output, Mapping) else {"": output}, labels, inputs)

    @classmethod
    def of_evidence(cls, evidence: Evidence, names: tuple[str, ...], inputs: Any) -> Answers:
        """*names*: those of the reference's outputs, for the same outputs under other names.

        As everywhere, outputs are matched by name if both models use the same names, otherwise by
        position.
        """
        own = evidence.outputs or ("",)
        named = names if len(names) == len(own) and sorted(names) != sorted(own) else own
        outputs = {name: evidence.arrays[output_key(at)] for at, name in enumerate(named)}
        return cls(outputs, evidence.arrays["label"], inputs)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def output(self) -> Array | dict[str, Array]:
        """The first argument of the metric: the single output, or all of them by name."""
        return dict(self.outputs) if self.has_names else self.outputs[""]

    @property
    def has_names(self) -> bool:
        return set(self.outputs) != {""}

    def take(self, drawn: Array | slice = _ALL) -> Answers:
        """Copies of some samples, given as indices or a slice: a metric may write to them."""
        taken = {key: each[drawn] for key, each in self._columns()}
        if isinstance(drawn, slice):  # indices make copies by themselves
            taken = {key: each.copy() for key, each in taken.items()}
        return self.with_columns(taken)

    def with_labels_of(self, order: Array) -> Answers:
        """Copies of the answers with the labels of the samples at these positions."""
        return replace(self.take(), labels=self.labels[order])

    def averaged(self) -> Answers:
        """Copies with the mean of each output over the samples in place of every answer."""
        outputs = {name: _averaged(array) for name, array in self.outputs.items()}
        return replace(self.take(), outputs=outputs)

    def columns(self) -> dict[str, Array]:
        """All arrays, each under a name of its own."""
        return dict(self._columns())

    def with_columns(self, columns: Mapping[str, Array]) -> Answers:
        """Answers of the same form, with these arrays."""
        inputs: Any = None
        if isinstance(self.inputs, Mapping):
            inputs = {name: columns[f"input.{at}"] for at, name in enumerate(self.inputs)}
        elif isinstance(self.inputs, tuple):
            inputs = tuple(columns[f"input.{at}"] for at in range(len(self.inputs)))
        elif self.inputs is not None:
            inputs = columns["input.0"]
        outputs = {name: columns[output_key(at)] for at, name in enumerate(self.outputs)}
        return Answers(outputs, columns["label"], inputs)

    def _columns(self) -> Iterator[tuple[str, Array]]:
        for at, array in enumerate(self.outputs.values()):
            yield output_key(at), array
        yield "label", self.labels
        inputs = self.inputs
        each = inputs.values() if isinstance(inputs, Mapping) else inputs
        single = not isinstance(inputs, Mapping | tuple)
        for at, array in enumerate([inputs] if single else each):
            if array is not None:
                yield f"input.{at}", array

    def telling(self) -> Array:
        """Marks the samples with another label than the commonest: bool of shape (n,)."""
        rows = [hash(row.tobytes()) for row in self.labels]
        commonest = Counter(rows).most_common(1)[0][0]
        return np.array([row != commonest for row in rows], bool)


def other_labels(n: int) -> Iterator[Array]:
    """Seeded shuffles of *n* positions without end; in each of them every sample is another one."""
    random = np.random.default_rng(_SEED)
    while True:
        cycle = random.permutation(n)
        order = np.empty(n, np.int64)
        order[cycle] = np.roll(cycle, 1)
        yield order


def _averaged(array: Array) -> Array:
    middle = array.mean(axis=0, dtype=np.float64)
    dtype = array.dtype if array.dtype.kind == "f" else np.float32
    return np.array(np.broadcast_to(middle, array.shape), dtype)
