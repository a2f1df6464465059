"""Recipe steps: frozen values that describe a compression independently of the framework."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import wraps
from typing import Any, ClassVar, Self, TypeVar

from pytest_edgegate.core.arguments import tells_arguments
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError

IMPORTANCES = ("l1", "l2", "random")


@dataclass(frozen=True, repr=False)
class Step:
    """One step of a recipe. ``stage`` orders the steps: a later stage never comes first."""

    stage: ClassVar[int] = 0
    changes_dtype: ClassVar[bool] = False
    """Whether the step changes the number format: such a step is the last of a recipe."""
    trains: ClassVar[bool] = False
    """Whether the step trains on the train split."""
    has_teacher: ClassVar[bool] = False
    """Whether the recipe continues with the student, which learns from the model under test."""
    removes_filters: ClassVar[bool] = False
    written: ClassVar[frozenset[str]] = frozenset()
    """The fields that the user gave a value. It is no field: steps of equal values are equal."""

    @property
    def clips_outliers(self) -> bool:
        """Whether the ranges that it chooses leave out rare values on purpose."""
        return False

    @property
    def calibration_samples(self) -> int | None:
        """The largest number of calibration samples used; None for a step without calibration."""
        return None

    def for_more_samples(self) -> Self | None:
        """The step to propose where its calibration saw too few samples; None without one."""
        return None

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of a training; None for a step that has none."""
        return None

    def for_twice_the_epochs(self) -> Self | None:
        """The step to propose where its training was too short; None for a step without epochs."""
        return None

    def __post_init__(self) -> None:
        """pytest calls a mark's only argument, where that is a class, with the test function."""
        first = getattr(self, fields(self)[0].name)
        if callable(first):
            name = type(self).__name__
            raise ConfigurationError(
                f"edge_recipe was given the class {name}, not a step",
                f"write {name}() with brackets",
            )

    def __str__(self) -> str:
        """The step as the user wrote it; its first field where nothing was written."""
        names = [
            field.name
            for field in fields(self)
            if field.name in self.written or getattr(self, field.name) != field.default
        ]
        return self._spelt(names or [fields(self)[0].name])

    def __repr__(self) -> str:
        return str(self)

    @property
    def in_full(self) -> str:
        """The step with the values of all fields, by which the cache knows it."""
        return self._spelt(field.name for field in fields(self))

    def as_written(self, names: Iterable[str]) -> Self:
        """The same step, spelt as if these fields had been written."""
        made = replace(self)
        object.__setattr__(made, "written", frozenset(names))
        return made

    def _changed(self, **values: Any) -> Self:
        """The step with other values of some fields, which are spelt with those written."""
        return replace(self, **values).as_written((*self.written, *values))

    def _spelt(self, names: Iterable[str]) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({shown})"


_StepKind = TypeVar("_StepKind", bound=type[Step])


def _spelt_as_written(kind: _StepKind) -> _StepKind:
    """Has the steps of a class remember which of their fields were given."""
    spelling: Any = kind
    fill = spelling.__init__
    names = [field.name for field in fields(kind)]

    @wraps(fill)
    def remember_and_fill(self: Step, *args: Any, **values: Any) -> None:
        object.__setattr__(self, "written", frozenset((*names[: len(args)], *values)))
        fill(self, *args, **values)

    spelling.__init__ = remember_and_fill
    return kind


class TrainingStep(Step):
    """A step that trains on the train split for some epochs."""

    trains: ClassVar[bool] = True
    epochs: int
    lr: float

    @property
    def learning_rate(self) -> float:
        return self.lr

    def for_twice_the_epochs(self) -> Self:
        return self._changed(epochs=2 * self.epochs)


@tells_arguments
@_spelt_as_written
@dataclass(frozen=True, repr=False)
class PTQ(Step):
    """Post-training quantisation to full int8.

    ``samples``: the number of calibration samples. ``method``: how ranges are chosen.
    ``per_channel``: one scale for each output channel of convolution weights.
    """

    stage: ClassVar[int] = 4
    changes_dtype: ClassVar[bool] = True
    samples: int = 200
    _: KW_ONLY
    method: str = "minmax"
    per_channel: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "samples", self.samples, 1)

    @property
    def clips_outliers(self) -> bool:
        return self.method != "minmax"

    @property
    def calibration_samples(self) -> int:
        return self.samples

    def for_more_samples(self) -> Self:
        return self._changed(samples=self.samples * 5 // 2)


@tells_arguments
@_spelt_as_written
@dataclass(frozen=True, repr=False)
class QAT(TrainingStep):
    """Quantisation-aware training, ending in full int8.

    The model is trained for ``epochs`` with the arithmetic that will be deployed simulated in it:
    int8 weights with a scale for each channel, 8-bit activations, batch normalisation folded.
    """

    stage: ClassVar[int] = 4
    changes_dtype: ClassVar[bool] = True
    epochs: int = 2
    _: KW_ONLY
    lr: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(self, "epochs", self.epochs, 1)
        _positive(self, "lr", self.lr)


@tells_arguments
@_spelt_as_written
@dataclass(frozen=True, repr=False)
class Prune(TrainingStep):
    """Structured pruning: ``amount`` of the filters of every prunable layer is removed.

    The filters with the least ``importance`` (the l1 or l2 norm of their weights, or random) are
    removed together with all weights that depend on them; layers that are added to each other lose
    the same filters. The rest is fine-tuned for ``epochs``. ``round_to``: the number of remaining
    filters is a multiple of this (8 suits many kernels).
    """

    stage: ClassVar[int] = 2
    removes_filters: ClassVar[bool] = True
    amount: float = 0.3
    _: KW_ONLY
    epochs: int = 2
    lr: float = 1e-4
    importance: str = "l1"
    round_to: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _is_number(self.amount) or not 0 < self.amount < 1:
            raise ConfigurationError(
                f"Prune(amount={self.amount!r}): the amount is the share of filters to remove",
                "give a number between 0 and 1, for example Prune(0.3)",
            )
        _at_least(self, "epochs", self.epochs, 1)
        _positive(self, "lr", self.lr)
        _at_least(self, "round_to", self.round_to, 1)
        if self.importance not in IMPORTANCES:
            raise UnknownNameError("importance", str(self.importance), IMPORTANCES, "Prune")


@tells_arguments
@_spelt_as_written
@dataclass(frozen=True, repr=False)
class Distill(TrainingStep):
    """Knowledge distillation of the model under test into the ``edge_student``.

    The loss is ``alpha T**2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) CE``
    with T the ``temperature``, as a mean over the batch (Hinton, Vinyals and Dean, 2015,
    arXiv:1503.02531). With ``alpha`` 1 no labels are needed.
    """

    stage: ClassVar[int] = 1
    has_teacher: ClassVar[bool] = True
    temperature: float = 4.0
    _: KW_ONLY
    alpha: float = 0.7
    epochs: int = 10
    lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(self, "temperature", self.temperature)
        if not _is_number(self.alpha) or not 0 <= self.alpha <= 1:
            raise ConfigurationError(
                f"Distill(alpha={self.alpha!r}): alpha is the weight of the teacher's part",
                "give a number from 0 to 1, for example Distill(alpha=0.7)",
            )
        _at_least(self, "epochs", self.epochs, 1)
        _positive(self, "lr", self.lr)


@tells_arguments
@_spelt_as_written
@dataclass(frozen=True, repr=False)
class Cast(Step):
    """A change of the number format without calibration, to ``float16``."""

    stage: ClassVar[int] = 4
    changes_dtype: ClassVar[bool] = True
    dtype: str = "float16"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dtype != "float16":
            raise ConfigurationError(
                f"Cast({self.dtype!r}): only float16 is a cast; int8 needs calibration",
                "write Cast('float16'), or PTQ() for int8",
            )


Recipe = tuple[Step, ...]

STEPS: tuple[type[Step], ...] = (PTQ, QAT, Prune, Distill, Cast)


def as_recipe(steps: tuple[object, ...]) -> Recipe:
    """The steps as a recipe; refuses objects that are not steps and an invalid order."""
    for step in steps:
        if not isinstance(step, Step):
            raise _no_step(step)
    recipe = tuple(step for step in steps if isinstance(step, Step))
    ordered = tuple(sorted(recipe, key=lambda step: step.stage))
    stages = [step.stage for step in recipe]
    if recipe != ordered:
        raise ConfigurationError(
            f"the recipe {spell(recipe)} is in an order that makes no sense",
            f"write it as {spell(ordered)}",
        )
    if len(set(stages)) != len(stages):
        once = tuple({step.stage: step for step in recipe}.values())
        raise ConfigurationError(
            f"the recipe {spell(recipe)} does one kind of work twice",
            f"keep one of the steps, for example {spell(once)}",
        )
    return recipe


def spelt_step(given: object) -> str:
    """The step that a text names, as ``"PTQ"`` and ``"ptq(100)"`` do; empty for none."""
    kinds = {kind.__name__.lower(): kind.__name__ for kind in STEPS}
    return kinds.get(given.partition("(")[0].strip().lower(), "") if isinstance(given, str) else ""


def _no_step(given: object) -> ConfigurationError:
    if isinstance(given, type) and issubclass(given, Step):
        return ConfigurationError(
            f"the recipe has the class {given.__name__} where a step is wanted",
            f"write {given.__name__}() with brackets",
        )
    kind = spelt_step(given)
    if kind:
        return ConfigurationError(
            f"the recipe has the text {given!r} where a step is wanted",
            f"write {kind}(), and from pytest_edgegate import {kind}",
        )
    if isinstance(given, list | tuple | set) and any(isinstance(each, Step) for each in given):
        one_by_one = ", ".join(str(each) for each in given)
        return ConfigurationError(
            f"the recipe has a {type(given).__name__} where a step is wanted",
            f"give the steps one by one, without the brackets around them: {one_by_one}",
        )
    names = ", ".join(f"{kind.__name__}()" for kind in STEPS)
    return ConfigurationError(f"{given!r} is not a recipe step", f"recipe steps are {names}")


def distils(recipe: Recipe) -> bool:
    """Whether the recipe continues with the student instead of the model under test."""
    return any(step.has_teacher for step in recipe)


def spell(recipe: Recipe) -> str:
    """The recipe as a user would type it."""
    return ", ".join(map(str, recipe)) if recipe else "(no step)"


def _at_least(step: Step, name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(
            f"{type(step).__name__}({name}={value!r}): {name} is a whole number from {least}",
            f"give a whole number from {least}, for example {type(step)()}",
        )


def _positive(step: Step, name: str, value: float) -> None:
    if not _is_number(value) or not 0 < value < float("inf"):
        raise ConfigurationError(
            f"{type(step).__name__}({name}={value!r}): {name} has to be positive and finite",
            f"leave it out for the default, {type(step)()}",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
