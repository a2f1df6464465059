"""Targets: the requirements of a board or of this host, read from one file per target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class OperatorRule:
    """A target's requirements for one operator.

    ``limits`` name checks of ``mapping.limits``.
    """

    since: str = ""
    """The version of the target's runtime that introduced the operator."""
    limits: tuple[str, ...] = ()
    note: str = ""
    """A requirement that cannot be checked in a file; shown where the targets are listed."""
    source: str = ""
    guess: str = ""
    """Why it is not certain that the target has the operator; empty where a source says so."""


@dataclass(frozen=True)
class LimitRule:
    """What is known of one of the limits, where a target says more than its name."""

    most: float | None = None
    """The largest value that the target takes, for a limit on a number."""
    taken: float | None = None
    """The largest value that it was seen to take: from there to *refused* the limit is a guess."""
    refused: float | None = None
    """The smallest value that it was seen to refuse."""
    guess: str = ""
    """Why the limit is not certain; empty where a source says so."""
    source: str = ""


@dataclass(frozen=True)
class MappingRules:
    """How the target's compiler divides the operators of a file between its chip and the CPU."""

    name: str
    """The source of what is predicted: ``predicted:NAME``."""
    compiler: str
    """The version of the compiler that the rules are about."""
    runtime: str
    activations: tuple[str, ...]
    """The dtypes of the tensors between operators that the chip takes."""
    most_dimensions: int
    """How many of the innermost dimensions of a tensor may be larger than 1."""
    largest_seen: float = float("inf")
    """The largest tensor between operators that was seen mapped, in bytes: with a larger one it is
    not certain that the compiler takes the file."""
    cpu: tuple[str, ...] = ()
    """The operators that may stay on the CPU anywhere."""
    cpu_at_ends: tuple[str, ...] = ()
    """The operators that may stay on the CPU where they take an input or give an output."""
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The compiler's own words, by the rule that keeps an operator on the CPU."""
    guesses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Why a rule is not certain, by the rule."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    newest: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    """The newest version of each operator that the compiler can read: the one that it is known to
    read, and the one above which it is known not to. It refuses a file with a newer one, or with
    another operator. Empty: of any version."""


@dataclass(frozen=True)
class Program:
    """A tool of the user's own: a command that prints figures of a file as JSON.

    Both are the arguments of a process, which are never given to a shell.
    """

    command: tuple[str, ...]
    version: tuple[str, ...] = ()
    """What prints its version; empty: the digests of its files stand for it."""
    seconds: int = 600
    """The time limit of a run."""


HOST_URL = "host"
"""Stands for this host where a device has a URL."""


@dataclass(frozen=True)
class LatencySource:
    """The device that times files for a target: one behind a URL, or this host."""

    device: str = ""
    """The device's URL; empty for this host, which then has to match the target."""

    @property
    def url(self) -> str:
        """The URL for opening the device: ``HOST_URL`` for this host."""
        return self.device or HOST_URL

    @property
    def scheme(self) -> str:
        """The name under which the device is registered."""
        return self.url.partition(":")[0]


@dataclass(frozen=True, repr=False)
class Target:
    """A class of devices for which artifacts are made and judged."""

    name: str
    title: str
    machine: str
    """``any``, ``x86_64``, ``aarch64``, or the name of a chip."""
    formats: tuple[str, ...]
    """The formats that the target runs; the first reachable one is built."""
    dtypes: tuple[str, ...]
    io_dtypes: tuple[str, ...]
    """The dtypes accepted for inputs and outputs; empty: any."""
    default_io: str
    complete_with_ptq: bool
    static_shape: bool
    per_channel_dense: bool
    """Whether weights of fully connected layers may have one scale per channel."""
    runtimes: Mapping[str, tuple[str, ...]]
    """The runtimes that parity compares, by format; the first one measures accuracy."""
    preferred: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The preferred format of the artifact, by the format of the model under test."""
    memory_bytes: int | None = None
    activations: str = "uint8"
    """The dtype of quantised activations in formats that allow a choice (ONNX): ``uint8``, with
    biases in 32-bit integers, or ``int8``, symmetric (zero points of 0), with biases in float."""
    float_operators: tuple[str, ...] = ()
    """Multiply-accumulate operators that an int8 artifact may keep in float."""
    cautions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Notes by dtype, shown when an artifact of that dtype is built."""
    latency_source: LatencySource = field(default_factory=LatencySource)
    latency_remedy: str = ""
    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The name of the tool that reports a metric instead of a measurement, by metric."""
    programs: Mapping[str, Program] = field(default_factory=lambda: MappingProxyType({}))
    """The tools that are commands of the user's own, by the names that ``tools`` gives them."""
    tool_options: Mapping[str, Mapping[str, object]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """The options of each tool, by its name: JSON values that only the tool understands."""
    operators: Mapping[str, OperatorRule] = field(default_factory=lambda: MappingProxyType({}))
    limits: Mapping[str, LimitRule] = field(default_factory=lambda: MappingProxyType({}))
    """What is known of the limits on operators, by the name of the limit."""
    mapping: MappingRules | None = None
    """How its compiler divides a file; None where operators are looked at one by one."""
    refusals: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Files that the vendor's own tool refuses: by the rule of ``measures.refusals`` that
    recognises one, the words in which it does."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origin: str = ""
    """The file that the target was read from."""
    folder: Path | None = None
    """The folder of that file, where relative paths in it start; None without paths."""

    def __repr__(self) -> str:
        takes = f"{' or '.join(self.formats)}, {' or '.join(self.dtypes)}"
        return f"<Target {self.name}: {self.title}; takes {takes}>"

    def is_host(self, machine: str) -> bool:
        """Whether a latency measured on this machine is valid for the target."""
        return self.machine in ("any", machine)

    def timed_by(self, machine: str, *, on_host_only: bool) -> LatencySource | None:
        """The source for a latency from this machine; None if there is none."""
        on_host = self.is_host(machine)
        reached = on_host or (bool(self.latency_source.device) and not on_host_only)
        return self.latency_source if reached else None
