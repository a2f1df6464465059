"""The fixtures ``edge_gate`` and ``edge_compress``: what a test calls by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgegate.core.arguments import told
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.errors import ConfigurationError, UnknownAttributeError
from pytest_edgegate.core.recipe import Step, as_recipe
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.settings.units import budgets_from


class EdgeGate:
    """The fixture ``edge_gate``: assertions by hand.

    Each takes an artifact or the path of a file, returns the verdicts and raises one
    ``BudgetExceeded``, after all budgets of the call are judged, if any is red.
    """

    def __init__(self, gate: ItemGate) -> None:
        self._gate = gate

    def __repr__(self) -> str:
        return f"<EdgeGate for {self._gate.title}: {self._gate.judged_so_far}>"

    def __call__(self, *args: Any, **given: Any) -> None:
        """Not a helper itself: raises ConfigurationError, with the one to write."""
        raise ConfigurationError(
            "edge_gate was called itself",
            "write edge_gate.check(artifact, accuracy_drop=0.01), which takes any budgets",
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            helpers = [each for each in vars(EdgeGate) if not each.startswith("_")]
            raise UnknownAttributeError("helper", name, helpers, "edge_gate")

    @told("edge_gate.accuracy")
    def accuracy(
        self,
        artifact: Artifact | str | Path,
        *,
        drop: Any = None,
        drop_relative: Any = None,
        min: Any = None,  # noqa: A002 - the budget's own name
    ) -> list[Verdict]:
        """``drop`` in points (0.01 = one percentage point), ``drop_relative`` as a ratio,
        ``min`` in the metric's unit."""
        return self._by_hand(
            artifact,
            "edge_gate.accuracy",
            accuracy_drop=drop,
            accuracy_drop_relative=drop_relative,
            accuracy_min=min,
        )

    @told("edge_gate.size")
    def size(self, artifact: Artifact | str | Path, limit: Any) -> list[Verdict]:
        """Bytes of every file that ships: ``"120 kB"``, or a number of bytes."""
        if isinstance(limit, Artifact | Path):
            raise _swapped(artifact)
        return self._by_hand(artifact, "edge_gate.size", size=limit)

    @told("edge_gate.latency")
    def latency(
        self,
        artifact: Artifact | str | Path,
        *,
        p50: Any = None,
        p95: Any = None,
        p99: Any = None,
        first: Any = None,
        ratio: Any = None,
    ) -> list[Verdict]:
        """Times with their unit (``"6 ms"``); ``ratio`` against the float export."""
        return self._by_hand(
            artifact,
            "edge_gate.latency",
            latency_p50=p50,
            latency_p95=p95,
            latency_p99=p99,
            latency_first=first,
            latency_ratio=ratio,
        )

    @told("edge_gate.parity")
    def parity(
        self,
        artifact: Artifact | str | Path,
        *,
        agreement: Any = None,
        within_lsb: Any = None,
        lsb: Any = None,
        abs: Any = None,  # noqa: A002 - the budget's own name
    ) -> list[Verdict]:
        """The same bytes in every runtime of the target: share of equal top-1, share within one
        output step, largest difference in steps, in real values."""
        return self._by_hand(
            artifact,
            "edge_gate.parity",
            parity_agreement=agreement,
            parity_within_lsb=within_lsb,
            parity_lsb=lsb,
            parity_abs=abs,
        )

    @told("edge_gate.regression")
    def regression(
        self,
        artifact: Artifact | str | Path,
        *,
        accuracy: Any = None,
        size: Any = None,
        latency: Any = None,
    ) -> list[Verdict]:
        """Against what was accepted of this artifact: ``accuracy`` in points (0.005 = half a
        percentage point less), ``size`` and ``latency`` as ratios (1.02 = 2 % more)."""
        return self._by_hand(
            artifact,
            "edge_gate.regression",
            accuracy_regression=accuracy,
            size_regression=size,
            latency_regression=latency,
        )

    @told("edge_gate.check")
    def check(
        self,
        artifact: Artifact | str | Path,
        *,
        source: str | Path | None = None,
        signature: str = "",
        **budgets: Any,
    ) -> list[Verdict]:
        """Checks the file against the target's contract, and any budgets by their full names.

        *source*: for a file that was compiled for a chip, the file that it was compiled from, on
        which accuracy and all else is judged that the compiled one hides. *signature*: the one to
        gate, of a ``.tflite`` file that has several (with *source*: of that file); else its first.
        """
        _check_artifact(artifact, "edge_gate.check")
        parsed = budgets_from(budgets, "edge_gate.check")
        if source is not None:
            return self._gate.by_hand_with_source(artifact, source, parsed, signature)
        return self._gate.by_hand(artifact, parsed, always_contract=True, signature=signature)

    def _by_hand(self, artifact: Artifact | str | Path, call: str, **written: Any) -> list[Verdict]:
        _check_artifact(artifact, call)
        budgets = budgets_from({k: v for k, v in written.items() if v is not None}, call)
        if not budgets:
            names = ", ".join(f"{_short(name)}=" for name in written)
            raise ConfigurationError(f"{call} was given no limit", f"give one of {names}")
        return self._gate.by_hand(artifact, budgets)


def _short(name: str) -> str:
    """The name of a budget without its prefix, or of a regression without its ending."""
    short = name.removesuffix("_regression")
    return short if short != name else name.split("_", 1)[-1]


class EdgeCompress(Protocol):
    """The fixture ``edge_compress``: builds an artifact by any recipe."""

    def __call__(self, *steps: Step) -> Artifact:
        """Raises an EdgeGateError if the steps can't be performed."""


class CompressByCall:
    """The fixture ``edge_compress`` of one test."""

    def __init__(self, gate: ItemGate) -> None:
        self._gate = gate

    def __call__(self, *steps: Step) -> Artifact:
        return self._gate.by_call(as_recipe(steps))

    def __repr__(self) -> str:
        return f"<edge_compress for {self._gate.title}: call it, as in edge_compress(PTQ())>"


def _swapped(given: object) -> ConfigurationError:
    limit = f"{given!r}" if isinstance(given, str | int | float) else '"120 kB"'
    return ConfigurationError(
        "edge_gate.size was given an artifact where its limit is wanted",
        f"the artifact comes first: write edge_gate.size(artifact, {limit})",
    )


def _check_artifact(given: object, call: str) -> None:
    """Raises ConfigurationError for what is neither an artifact nor the path of a file."""
    if isinstance(given, Artifact | str | Path):
        return
    if isinstance(given, CompressByCall):
        raise ConfigurationError(
            f"{call} was given the fixture edge_compress, not an artifact",
            f"call it: {call}(edge_compress(PTQ()), ...)",
        )
    raise ConfigurationError(
        f"{call} was given a {type(given).__name__}, not an artifact",
        f"write {call}(artifact, ...), with what edge_ptq or edge_compress(PTQ()) gave, or the "
        "path of a file",
    )
