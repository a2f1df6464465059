"""What in a file its target's contract does not allow: one offence, its kind, and its operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pytest_edgegate.core.description import OperatorInfo, Origin, TensorInfo


class OffenceKind(StrEnum):
    """The category of an offence, from which a diagnosis derives the cause."""

    INPUT_DTYPE = "input dtype"
    OUTPUT_DTYPE = "output dtype"
    DYNAMIC_SHAPE = "dynamic shape"
    NO_WIDTH = "input without width"
    CLIPPED = "input values clipped"
    UNQUANTISED = "not quantised"
    WIDE = "wider than int8"
    WIDE_WEIGHTS = "weights wider than int8"
    UNMAPPED = "operator not mapped"
    LIMIT = "limit of an operator"
    DOWNSTREAM = "downstream of an operator not mapped"
    REFUSED = "refused by the vendor's tool"
    NOT_COMPILED = "refused by the vendor's compiler"
    TOO_NEW = "newer than the vendor's compiler"
    NOT_LOADED = "compiled for a newer runtime"
    MISPLACED = "outputs changed places"
    BY_BATCH = "answers depend on the batch"
    FELL_BACK = "fell back"
    RUNS_IN_FLOAT = "runs in float"
    SIGNATURE = "a signature crashes"
    OTHER_CHIP = "compiled for another chip"


@dataclass(frozen=True)
class Spot:
    """An operator of a file, and what is wrong with it: the same for all that are alike."""

    operator: str
    """Its kind."""
    place: str
    """What tells it from others of its kind: its number and its output, or its name."""
    fault: str

    @classmethod
    def of(cls, operator: OperatorInfo, fault: str) -> Spot:
        return cls(operator.kind, operator.name.removeprefix(operator.kind).strip(), fault)


@dataclass(frozen=True)
class Offence:
    """One thing in the file that the target's contract does not allow."""

    kind: OffenceKind
    text: str
    dtype: str = ""
    """The offending dtype, if the offence is about a dtype."""
    origin: Origin | None = None
    """The part of the model that the offending operator comes from, if that is known."""
    limit: str = ""
    """The name of the limit, if the offence is about one."""
    part: TensorInfo | OperatorInfo | None = field(default=None, compare=False)
    """The input, output or operator of the file that it is about."""
    spot: Spot | None = field(default=None, compare=False)
    """The operator that it is about, for lists of offences that are alike."""

    def __str__(self) -> str:
        return self.text


def offence_of(
    kind: OffenceKind,
    operator: OperatorInfo,
    fault: str,
    *,
    alike: str = "",
    dtype: str = "",
    origin: Origin | None = None,
    limit: str = "",
    part: OperatorInfo | None = None,
) -> Offence:
    """An offence of an operator. *alike*: the fault without what only this operator has."""
    spot = Spot.of(operator, alike or fault)
    return Offence(kind, f"{operator.name}: {fault}", dtype, origin, limit, part, spot)
