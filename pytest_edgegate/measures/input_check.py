"""Checks the evaluation samples against what the quantised inputs of a file can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.encodings import Range
from pytest_edgegate.data.feeding import real_range
from pytest_edgegate.measures.fed_inputs import FedInput, held_inputs
from pytest_edgegate.measures.providers import File, Passes

_NOTED = 0.001
"""The share of clipped values that is worth a note."""
_REFUSED = 0.05
"""The share of clipped values that is an offence."""
_NARROW = 0.05
"""Samples that use a smaller share of an input's range are fed in another scale, probably."""


@dataclass(frozen=True)
class HeldInput:
    """The values that one quantised input got, and the real values that it can hold."""

    fed: FedInput
    held: Range

    @property
    def is_clipped(self) -> bool:
        """Whether so many values are clipped that the file is fed wrongly."""
        return self.fed.share > _REFUSED

    def __str__(self) -> str:
        held, fed = self.held, self.fed
        return (
            f"the input {fed.name} holds {held[0]:.4g} to {held[1]:.4g}, and the evaluation "
            f"samples go from {fed.low:.4g} to {fed.high:.4g}"
        )


def held(passes: Passes, file: File) -> tuple[HeldInput, ...]:
    """The quantised inputs of the artifact with the evaluation values that they got.

    Empty without evaluation samples, and for a file whose inputs are not quantised. An input
    without width is left out: ``without_width`` tells it.
    """
    inputs = held_inputs(file.description(), file.artifact)
    known = {name: real_range(each) for name, each in inputs.items()}
    wide = {name: each for name, each in known.items() if _has_width(each)}
    if not wide:
        return ()
    return tuple(HeldInput(each, wide[each.name]) for each in passes.fed() if each.name in wide)


def clipped(passes: Passes, file: File) -> tuple[HeldInput, ...]:
    """The inputs that clip more than 5 % of their values."""
    return tuple(each for each in held(passes, file) if each.is_clipped)


def cautions(passes: Passes, file: File) -> Iterator[str]:
    """Remarks on samples that hardly fit the inputs, for green verdicts too."""
    for each in held(passes, file):
        used = (each.fed.high - each.fed.low) / (each.held[1] - each.held[0])
        if each.fed.share > _NOTED:
            yield f"caution: {each.fed.share:.1%} of the evaluation values are clipped: {each}"
        elif used < _NARROW and each.fed.high > each.fed.low:
            yield f"caution: the evaluation samples use {used:.2g} of an input's range: {each}"


def constant_inputs(ranges: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The inputs that had one value in all calibration samples, with that value."""
    # adding 0 turns -0 into 0
    return {name: low + 0.0 for name, (low, high) in ranges.items() if low == high}


def varied(passes: Passes, file: File) -> Iterator[str]:
    """Remarks on inputs that were constant in calibration and are in evaluation.

    Raises ConfigurationError for one that was constant in calibration alone.
    """
    constant = constant_inputs(file.artifact.provenance.get("calibration_ranges") or {})
    if not constant:
        return
    fed = {each.name: (each.low, each.high) for each in passes.fed()}
    check_varied(constant, fed)
    offending = {name for name, value in constant.items() if value == 0}
    offending &= held_inputs(file.description(), file.artifact).keys()  # see without_width
    for name in sorted((constant.keys() & fed.keys()) - offending):
        yield (
            f"caution: the input {name} is {constant[name]:.4g} in all calibration and evaluation "
            "samples: how the artifact treats other values was not measured"
        )


def check_varied(constant: Mapping[str, float], evaluated: Mapping[str, Range]) -> None:
    """Raises ConfigurationError for an input that varies in evaluation alone.

    *constant*: inputs with their only calibration value; *evaluated*: the ranges of evaluation.
    """
    for name in sorted(constant.keys() & evaluated.keys()):
        low, high = evaluated[name]
        if low < high:
            raise ConfigurationError(
                f"every calibration sample has {constant[name]:.4g} for the input {name}, and the "
                f"evaluation samples go from {low:.4g} to {high:.4g}: its quantised range has no "
                "place for them",
                "calibrate on samples in which this input varies as on the device (for a state: "
                "frames from the middle of recordings, not only their first ones)",
            )


def without_width(file: File) -> Iterator[str]:
    """The quantised inputs whose range is so small that the file can't tell values apart.

    A calibration of zeros shows in the files of some converters; others write a scale of 1.
    """
    constant = constant_inputs(file.artifact.provenance.get("calibration_ranges") or {})
    for name, each in held_inputs(file.description(), file.artifact).items():
        if not _has_width(real_range(each)) or constant.get(name) == 0:
            yield (
                f"input {name}: its quantised range has no width, because it was 0 in calibration "
                f"(scale {each.scales[0]:.3g})"
            )


_NO_WIDTH = 1e-5
"""Converters give a range of zeros a scale of 0, or of 1e-8 (TensorFlow), to divide by."""


def _has_width(ends: Range) -> bool:
    return ends[1] - ends[0] > _NO_WIDTH
