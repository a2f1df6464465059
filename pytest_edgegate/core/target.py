"""Targets: the requirements of a board or of this host, read from one file per target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class OperatorRule:
    """A target's requirements for one operator.

    ``limits`` name checks of ``measures.operator_limits``.
    """

    since: str = ""
    """The version of the target's runtime that introduced the operator."""
    limits: tuple[str, ...] = ()
    note: str = ""
    """A requirement that cannot be checked in a file; shown where the targets are listed."""
    source: str = ""


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
    operators: Mapping[str, OperatorRule] = field(default_factory=lambda: MappingProxyType({}))
    refusals: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Files that the vendor's own tool refuses: by the rule of ``measures.refusals`` that
    recognises one, the words in which it does."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origin: str = ""
    """The file that the target was read from."""

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
