"""Notes of a verdict on the contract, red or green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.lone_runner import ALONE
from pytest_edgegate.data.row_digests import FLAT
from pytest_edgegate.data.splits import Array
from pytest_edgegate.emulation.sysroot import EmulatorUnavailableError
from pytest_edgegate.measures.contract import left_to_the_cpu, tolerated
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.providers import File, Passes
from pytest_edgegate.measures.unmapped import guesses

USUAL_AGREEMENT = 0.99
"""The agreement of runtimes that round alike; a lower share is pointed out."""

_GUESSES = 3
"""The most guesses that are told of a file."""


def of_building(artifact: Artifact) -> str:
    """What the transforms say of how they built the artifact: ``note`` of their facts."""
    facts = artifact.provenance.get("facts") or {}
    return "; ".join(str(each["note"]) for each in facts.values() if each.get("note"))


def of_calibration(artifact: Artifact, evaluation: Callable[[], Array]) -> str:
    """The number of calibration samples that the artifact is also measured on.

    *evaluation* returns the digests of the evaluation samples.
    """
    calibrated = artifact.provenance.get("calibration_samples") or ()
    if not calibrated:
        return ""
    digests = np.array(calibrated, np.uint64)
    shared = int((np.isin(digests, evaluation()) & (digests != FLAT)).sum())
    if not shared:
        return ""
    return (
        f"{shared} calibration samples are evaluation samples too: the accuracy is measured on "
        "samples that chose the ranges; draw them from the train data"
    )


def of_layout(file: File) -> str:
    """That the samples are transposed for a third-party file, which the device has to do, too."""
    if file.artifact.made or file.description().compiled is not None:
        return ""
    moved = [axes for axes in file.layout().inputs if axes is not None]
    if not moved:
        return ""
    codes = ", ".join(dict.fromkeys(f"x.transpose{axes}" for axes in moved))
    return f"the samples are fed in the axes of the file ({codes}): feed them so on the device, too"


def of_state(file: File) -> str:
    """What a file that remembers earlier samples needs on the device, where every sample counts."""
    state = file.description().state
    if state is None:
        return ""
    return (
        f"the file keeps state between inferences ({', '.join(state.operators)}): every figure is "
        f"of samples that start afresh, so reset it before each on the device too ({state.reset})"
    )


def of_cpu_parts(file: File) -> str:
    """What of a third-party file is float though the target takes integers: never left unsaid."""
    found = tolerated(file)
    if not found:
        return ""
    named = dict.fromkeys(_on_the_cpu(each.part) for each in found)
    return f"caution: left to the CPU of {file.target.name}: {', '.join(filter(None, named))}"


def of_signatures(file: File) -> str:
    """All signatures of a file that has several, and what is wrong with those not gated."""
    found = file.description().signatures
    if len(found) < 2:
        return ""
    gated = ", ".join(str(each) for each in found if each.gated) or "the first graph, unnamed"
    others = "; ".join(str(each) for each in found if not each.gated)
    named = f"the file has {len(found)} signatures, gated: {gated}"
    cautions = [
        f"caution: signature {each.name} {each.caution}"
        for each in file.other_signatures()
        if each.caution
    ]
    rest = f"; not gated (signature= chooses): {others}" if others else ""
    return "; ".join((named + rest, *cautions))


def _on_the_cpu(part: TensorInfo | OperatorInfo | None) -> str:
    if isinstance(part, OperatorInfo):
        return part.name
    return "" if part is None else f"{part.name} ({part.dtype})"


def of_compiled(file: File) -> str:
    """What is judged of a file that was compiled for a chip."""
    described = file.description()
    if described.compiled is None:
        return ""
    left = Counter(each.kind for each in described.beside_the_chip)
    named = ", ".join(f"{count} x {kind}" for kind, count in left.items())
    return (
        f"{file.artifact.path.name} is compiled for {described.compiled.chip} and was not run: its "
        f"size, inputs and outputs are judged; left to the CPU: {named or 'nothing'}"
    )


def of_mapping(file: File) -> str:
    """The operators on the CPU about which a budget on mapped_ops decides."""
    found = left_to_the_cpu(file)
    if not found or file.description().compiled is not None:
        return ""  # of a compiled file they are told already
    kinds = Counter(each.part.kind for each in found if isinstance(each.part, OperatorInfo))
    named = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    return f"left to the CPU of {file.target.name}, as mapped_ops decides: {named}"


def of_guesses(file: File) -> str:
    """What is not certain about a contract that rules alone decide; a budget on mapped_ops tells it
    of its own figure."""
    found = () if file.gates_mapping else guesses(file)
    more = f"; and {len(found) - _GUESSES} more" if len(found) > _GUESSES else ""
    return f"a guess where {'; '.join(found[:_GUESSES])}{more}" if found else ""


def of_execution(file: File) -> str:
    """The number of operators in the file, and as the runtime executes them."""
    executed = file.executed()
    if executed is None:
        return ""
    kinds = Counter(each.kind for each in executed)
    shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
    devices = ", ".join(sorted({each.device for each in executed}))
    runtime = _runtimes(file)[0]
    return (
        f"{runtime} runs the file's {len(file.description().operators)} operators as "
        f"{len(executed)} on {devices}: {shown}{' ...' if len(kinds) > 4 else ''}"
    )


def of_batch(file: File, passes: Passes) -> str:
    """Why the file is measured one sample at a time: a free batch that it declares and does not
    have, or one that gives other answers."""
    why = ALONE if file.runs_alone() else passes.steadiness().note
    return f"{file.artifact.path.name} {why}" if why else ""


def of_dead_channels(passes: Passes, *, look: bool) -> str:
    """Cautions about channels that vary in the model under test and not in the artifact.

    *look*: also without a pass over both.
    """
    return "; ".join(f"caution: {each}" for each in passes.dead_channels(look=look))


@dataclass(frozen=True)
class Parity:
    """The agreement of a target's runtimes, in words, and as the share of equal answers."""

    note: str = ""
    share: float | None = None
    samples: int = 0
    cautioned: bool = False
    """Whether the words are a caution, too."""

    @property
    def usual(self) -> bool:
        """Whether the runtimes agree as those that round alike do: nothing to point out."""
        return self.share is not None and self.share >= USUAL_AGREEMENT and not self.cautioned


def of_parity(file: File, passes: Passes) -> Parity:
    """The agreement on some samples, if no budget is about parity."""
    try:
        found = passes.shown_parity()
    except InferenceError as error:
        return Parity(f"parity, not gated: {error.message}")
    except EmulatorUnavailableError as error:
        return Parity(f"parity, not gated: {error.message}: {error.remedy}")
    if isinstance(found, NotMeasured):
        return Parity()
    names, lacking = ", ".join(_compared(file, found)), passes.lacking_emulator()
    told = [
        f"caution: the outputs of {name} ({found.source}) are not finite on {count} of {found.n} "
        "samples"
        for name, count in passes.broken_elsewhere(found).items()
    ]
    cautioned, share = bool(told), None
    agreement = found.arrays["agreement"]
    if not np.isnan(agreement).any():
        share = float(agreement.mean())
        below = "" if share >= USUAL_AGREEMENT else f", below the usual {USUAL_AGREEMENT}"
        told.insert(
            0,
            f"parity, not gated: agreement {share:.3f}{below} on {found.n} samples ({names})"
            + (f", not compared with an emulated board: {lacking}" if lacking else ""),
        )
    if told:
        told.append(passes.other_versions())
    return Parity("; ".join(filter(None, told)), share, found.n, cautioned)


def of_lacking_emulator(passes: Passes) -> str:
    """Where nothing is shown: the line that makes the emulator."""
    lacking = passes.lacking_emulator()
    return f"not compared with an emulated board: {lacking}" if lacking else ""


def emulated_samples(passes: Passes) -> int:
    """The number of samples that a parity budget has compared in an emulator."""
    found = passes.parity()
    compared = () if isinstance(found, NotMeasured) else found
    return next((each.n for each in compared if each.source.startswith("emulator:")), 0)


def of_emulators(passes: Passes, count: int) -> str:
    """The accuracy in emulated runtimes, on *count* samples that parity compares."""
    found = passes.emulated(count) if count else ()
    return "; ".join(
        f"accuracy in an emulator, not gated: {passes.scoring.name} {each.there:.4g} in "
        f"{each.runtime} ({each.source})"
        + (f", {each.here:.4g} here" if each.here is not None else "")
        + f", on {each.samples} samples"
        for each in found
    )


def _compared(file: File, found: Evidence) -> tuple[str, ...]:
    """The runtimes of a comparison."""
    kind, _, names = found.source.partition(":")
    return tuple(names.split(",")) if kind == "host" else _runtimes(file)


def _runtimes(file: File) -> tuple[str, ...]:
    target: Target = file.target
    return target.runtimes[file.artifact.format]
