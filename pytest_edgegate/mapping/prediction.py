"""Predicts which operators of a file the compiler of a target maps to its chip, and which not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo
from pytest_edgegate.core.target import LimitRule, MappingRules, OperatorRule, Target
from pytest_edgegate.mapping.limits import doubt, faults
from pytest_edgegate.mapping.tensors import moving, size_in_bytes

_WEIGHTS = ("int8", "uint8")
_NO_LIMIT = LimitRule()
_LEFT = "left to the CPU by the compiler"


class Why(StrEnum):
    """The rule that keeps an operator on the CPU; also the name of its words in a target."""

    VERSION = "version"
    FILE = "file"
    OPERATOR = "operator"
    DTYPE = "dtype"
    DIMENSIONS = "dimensions"
    DYNAMIC = "dynamic"
    PARAMETERS = "parameters"
    LIMIT = "limit"
    DOWNSTREAM = "downstream"
    COMPILED = "compiled"


@dataclass(frozen=True)
class Reason:
    """Why an operator stays on the CPU."""

    why: Why
    fault: str
    """In words of ours."""
    words: str = ""
    """In those of the target's compiler."""
    guess: str = ""
    """What is not certain about it."""
    limit: str = ""
    """The name of the limit, if it breaks one."""


@dataclass(frozen=True)
class Placement:
    """Where an operator runs: on the chip, or on the CPU for one or more reasons."""

    operator: OperatorInfo
    reasons: tuple[Reason, ...] = ()
    guess: str = ""
    """What is not certain about a mapped operator."""
    splits: bool = False
    """Whether the part of the chip ends here: something that it depends on is mapped."""
    allowed: bool = False
    """Whether the target leaves it to the CPU."""

    @property
    def mapped(self) -> bool:
        return not self.reasons

    @property
    def words(self) -> str:
        """The compiler's, or ours where it has none."""
        return self.reasons[0].words or self.reasons[0].fault if self.reasons else ""

    @property
    def guesses(self) -> tuple[str, ...]:
        """What is not certain about its place."""
        named = (f"{each.limit or each.why}: {each.guess}" for each in self.reasons if each.guess)
        return tuple(named) if self.reasons else tuple(filter(None, (self.guess,)))


@dataclass(frozen=True)
class Prediction:
    """The places of all operators of a file, in their order."""

    placements: tuple[Placement, ...]

    @property
    def mapped(self) -> tuple[Placement, ...]:
        return tuple(each for each in self.placements if each.mapped)

    @property
    def left(self) -> tuple[Placement, ...]:
        return tuple(each for each in self.placements if not each.mapped)

    @property
    def splits(self) -> tuple[Placement, ...]:
        """The operators at which the part of the chip ends."""
        return tuple(each for each in self.placements if each.splits)

    @property
    def subgraphs(self) -> int:
        """The parts that the compiler makes a program of: one, with all that is mapped."""
        return 1 if self.mapped else 0

    @property
    def share(self) -> float:
        """The share of operators that are mapped."""
        return len(self.mapped) / len(self.placements) if self.placements else 0.0

    @property
    def guesses(self) -> tuple[str, ...]:
        """What is not certain about it, each once, with the first operator that it is about."""
        found: dict[str, str] = {}
        for each in self.placements:
            for guess in each.guesses:
                found.setdefault(guess, f"{each.operator.name}: {guess}")
        return tuple(found.values())


def predicted(described: ModelDescription, target: Target) -> Prediction:
    """The places of the operators that the file shows.

    What a compiled file shows is what its compiler has left to the CPU. A target without rules for
    the whole graph (``mapping``) has those of its operators alone.
    """
    shown = described.beside_the_chip
    ends = _Ends(described)
    if described.compiled is not None:
        placements = [_left_by_compiler(each, target) for each in shown]
    elif target.mapping is None:
        placements = [Placement(each, tuple(_of_table(each, target))) for each in shown]
    else:
        placements = _Division(target, target.mapping).of(shown)
    return Prediction(tuple(ends.with_allowed(each, target) for each in placements))


def _left_by_compiler(operator: OperatorInfo, target: Target) -> Placement:
    """By the file itself, which is no guess; the rules say why, where they know."""
    rules = () if target.mapping is None else tuple(_alone(operator, target, target.mapping))
    why = f": {rules[0].fault}" if rules else ""
    words = rules[0].words if rules else ""
    return Placement(operator, (Reason(Why.COMPILED, f"{_LEFT}{why}", words),))


class _Division:
    """Divides a graph: an operator that the chip does not take stays on the CPU, with all that
    depends on it if it depends on something mapped itself."""

    def __init__(self, target: Target, rules: MappingRules) -> None:
        self._target = target
        self._rules = rules
        self._made: dict[int, Placement] = {}
        """By the identity of a tensor: the operator that gives it."""
        self._behind: dict[int, Placement] = {}
        """By the identity of an operator on the CPU behind something mapped: what ends the part of
        the chip there."""
        self._after_cpu: set[int] = set()
        """The identities of the operators that depend on one left to the CPU."""

    def of(self, operators: Sequence[OperatorInfo]) -> list[Placement]:
        refused = self._refused(operators)
        if refused:
            return refused
        found = []
        for operator in operators:
            placed = self._placed(operator)
            for tensor in operator.outputs:
                self._made[id(tensor)] = placed
            found.append(placed)
        mapped = {_key(each) for each in found if each.mapped}
        if mapped <= self._after_cpu or not mapped & self._after_cpu:
            return found
        return [self._doubted(each) for each in found]

    def _doubted(self, placed: Placement) -> Placement:
        """That an operator waits for the CPU where another one of the same program does not."""
        waits = placed.mapped and _key(placed) in self._after_cpu
        guess = placed.guess or self._rules.guesses.get("separate", "")
        return replace(placed, guess=guess) if waits else placed

    def _placed(self, operator: OperatorInfo) -> Placement:
        before = [self._made[id(each)] for each in operator.inputs if id(each) in self._made]
        if any(not each.mapped or _key(each) in self._after_cpu for each in before):
            self._after_cpu.add(id(operator))
        alone = tuple(_alone(operator, self._target, self._rules))
        end = next((self._behind[at] for at in map(_key, before) if at in self._behind), None)
        if end is None:
            splits = bool(alone) and any(each.mapped for each in before)
            guess = "" if alone else _guess_of(operator, self._target, self._rules)
            placed = Placement(operator, alone, guess, splits)
            if splits:
                self._behind[_key(placed)] = placed
            return placed
        placed = Placement(operator, (*alone, self._downstream(end)))
        self._behind[_key(placed)] = end
        return placed

    def _refused(self, operators: Sequence[OperatorInfo]) -> list[Placement]:
        """The places in a file that the compiler can't read; empty where it can."""
        unknown = [_of_version(each, self._rules) for each in operators]
        pairs = list(zip(operators, unknown, strict=True))
        first = next((each for each, reason in pairs if reason is not None), None)
        if first is None:
            return []
        fault = f"in a file that the compiler refuses, by {first.kind} #{first.index}"
        other = Reason(Why.FILE, fault, self._rules.words.get(Why.FILE, ""))
        return [Placement(each, (reason or other,)) for each, reason in pairs]

    def _downstream(self, end: Placement) -> Reason:
        return Reason(
            Why.DOWNSTREAM,
            f"behind {end.operator.kind} #{end.operator.index}, which stays on the CPU",
            self._rules.words.get(Why.DOWNSTREAM, ""),
        )


def _key(placed: Placement) -> int:
    return id(placed.operator)


def _of_version(operator: OperatorInfo, rules: MappingRules) -> Reason | None:
    """That the compiler can't read the operator, and so not the file."""
    if not rules.newest or operator.kind.startswith("CUSTOM"):
        return None
    newest, version = rules.newest.get(operator.kind), operator.version
    if newest is not None and version <= newest[1]:
        return None
    guess = rules.guesses.get(Why.VERSION, "")
    if newest is None:
        fault = f"not an operator that version {rules.compiler} of the compiler knows"
        return Reason(Why.VERSION, fault, rules.words.get(Why.FILE, ""), guess)
    words = rules.words.get(Why.VERSION, "")
    for name, value in (("{kind}", operator.kind), ("{version}", str(version))):
        words = words.replace(name, value)
    fault = f"of version {version}, and the compiler reads versions up to {newest[1]}"
    return Reason(Why.VERSION, fault, words, guess)


def _alone(operator: OperatorInfo, target: Target, rules: MappingRules) -> Iterator[Reason]:
    """What keeps an operator on the CPU wherever it stands, the first reason first."""
    checks = (_of_table(operator, target), _of_tensors(operator, rules))
    for each in (reason for found in checks for reason in found):
        words = rules.words.get(each.why, "")
        guess = each.guess or rules.guesses.get(each.why, "")
        yield Reason(each.why, each.fault, words, guess, each.limit)


def _of_table(operator: OperatorInfo, target: Target) -> Iterator[Reason]:
    """By the target's table of operators, if it has one."""
    if not target.operators:
        return
    rule = target.operators.get(operator.kind)
    newest = "" if target.mapping is None else target.mapping.runtime
    if rule is None or _is_newer(rule, newest):
        since = f" before version {rule.since} of the runtime" if rule is not None else ""
        fault = f"not an operator of {target.name}{since}; it would run on the CPU"
        yield Reason(Why.OPERATOR, fault)
        return
    for name, fault in faults(operator, rule.limits, target.limits):
        guess = doubt(operator, name, target.limits.get(name, _NO_LIMIT), broken=True)
        yield Reason(Why.LIMIT, f"{fault}, which {target.name} does not map", "", guess, name)


def _is_newer(rule: OperatorRule, newest: str) -> bool:
    return rule.since.isdecimal() and newest.isdecimal() and int(rule.since) > int(newest)


def _of_tensors(operator: OperatorInfo, rules: MappingRules) -> Iterator[Reason]:
    """By the requirements on all tensors."""
    between = moving(operator)
    wrong = next((each for each in between if each.dtype not in rules.activations), None)
    weights = None if operator.weights_at is None else _at(operator, operator.weights_at)
    if wrong is None and weights is not None and weights.dtype not in _WEIGHTS:
        wrong = weights
    if wrong is not None:
        yield Reason(Why.DTYPE, f"works on {wrong.dtype} ({wrong.name})")
    free = next((each for each in between if each.dynamic), None)
    if free is not None:
        yield Reason(Why.DYNAMIC, f"has a tensor of free sizes ({free.name} {free.shape})")
        return
    deep = next((each for each in between if _is_deep(each, rules.most_dimensions)), None)
    if deep is not None:
        sizes = f"the {rules.most_dimensions} innermost dimensions"
        yield Reason(Why.DIMENSIONS, f"has sizes above 1 before {sizes} ({deep.name} {deep.shape})")
    if weights is not None and not weights.constant:
        yield Reason(Why.PARAMETERS, f"has weights that are computed ({weights.name})")


def _guess_of(operator: OperatorInfo, target: Target, rules: MappingRules) -> str:
    """What is not certain about an operator that the rules map."""
    rule = target.operators.get(operator.kind, OperatorRule())
    doubts = (
        doubt(operator, each, target.limits.get(each, _NO_LIMIT), broken=False)
        for each in rule.limits
    )
    of_limit = next(filter(None, doubts), "")
    wide = any(each.dtype == "int16" and not each.state for each in moving(operator))
    of_tensors = rules.guesses.get("int16", "") if wide else ""
    of_size = rules.guesses.get("large", "") if _largest(operator) > rules.largest_seen else ""
    newest = rules.newest.get(operator.kind)
    perhaps = newest is not None and operator.version > newest[0]
    of_version = rules.guesses.get("newest", "") if perhaps else ""
    return rule.guess or of_limit or of_tensors or of_size or of_version


def _largest(operator: OperatorInfo) -> int:
    """The bytes of the largest tensor between it and other operators."""
    return max((size_in_bytes(each) for each in moving(operator)), default=0)


def _at(operator: OperatorInfo, position: int) -> TensorInfo | None:
    return operator.inputs[position] if len(operator.inputs) > position else None


def _is_deep(tensor: TensorInfo, most: int) -> bool:
    shape = tensor.allocated or tensor.shape
    return any(size > 1 for size in shape[: max(len(shape) - most, 0)])


class _Ends:
    """The inputs and outputs of a file, where a target may leave some operators to the CPU."""

    def __init__(self, described: ModelDescription) -> None:
        self._ends = {id(each) for each in (*described.inputs, *described.outputs)}

    def with_allowed(self, placed: Placement, target: Target) -> Placement:
        rules = target.mapping
        refused = any(each.why in (Why.VERSION, Why.FILE) for each in placed.reasons)
        if placed.mapped or refused or rules is None:
            return placed
        kind = placed.operator.kind
        allowed = kind in rules.cpu or (kind in rules.cpu_at_ends and self._touches(placed))
        return replace(placed, allowed=allowed)

    def _touches(self, placed: Placement) -> bool:
        tensors = (*placed.operator.inputs, *placed.operator.outputs)
        return any(id(each) in self._ends for each in tensors)
