"""Targets: what a board, or this host, takes. Data, read from one file a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pytest_edgegate.core.budget import BudgetKind


@dataclass(frozen=True)
class OperatorRule:
    """What a target asks of one operator. ``limits`` name the checks of ``measures.contract``."""

    since: str = ""
    """The version of the target's own runtime that brought the operator."""
    limits: tuple[str, ...] = ()
    note: str = ""
    """What the target asks that a file can't show; told where the targets are listed."""
    source: str = ""


@dataclass(frozen=True)
class LatencySource:
    """What times files for a target: the device behind a URL, or this host."""

    device: str = ""
    """The device's URL; nothing for this host, which then has to be such a machine."""

    @property
    def url(self) -> str:
        """What a device is opened with: ``host`` for this one."""
        return self.device or "host"

    @property
    def scheme(self) -> str:
        """The name that the device is registered under."""
        return self.url.partition(":")[0]


@dataclass(frozen=True)
class Target:
    """A device class that artifacts are made for and judged against."""

    name: str
    title: str
    machine: str
    """``any``, ``x86_64``, ``aarch64``, or an accelerator's name."""
    formats: tuple[str, ...]
    """The formats that the target runs; the first that a plan reaches is made."""
    dtypes: tuple[str, ...]
    io_dtypes: tuple[str, ...]
    """The dtypes that the target accepts at its inputs and outputs; empty: any."""
    default_io: str
    complete_with_ptq: bool
    static_shape: bool
    per_channel_dense: bool
    """Whether weights of fully connected layers may have a scale for each channel."""
    runtimes: Mapping[str, tuple[str, ...]]
    """For each format, the runtimes that parity compares; the first one measures accuracy."""
    preferred: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By the format of a model under test: which of several formats it becomes."""
    extra: str = "all"
    """The extra of this package that installs what the target needs."""
    memory_bytes: int | None = None
    activations: str = "uint8"
    """The dtype of quantised activations in formats that leave the choice (ONNX)."""
    float_operators: tuple[str, ...] = ()
    """Operators that an int8 artifact may keep in float, though they multiply and accumulate."""
    cautions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By dtype: what to tell who makes an artifact of it."""
    latency_source: LatencySource = field(default_factory=LatencySource)
    latency_remedy: str = ""
    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By metric: the name of the tool that tells it, in the place of any measurement."""
    operators: Mapping[str, OperatorRule] = field(default_factory=lambda: MappingProxyType({}))
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origin: str = ""
    """The file that the target was read from."""

    def is_host(self, machine: str) -> bool:
        """Whether a latency that is measured on this machine speaks for the target."""
        return self.machine in ("any", machine)

    def timed_by(self, kind: BudgetKind, machine: str) -> LatencySource | None:
        """What times a latency of that *kind* from this machine; None where nothing does."""
        on_host = self.is_host(machine)
        reached = on_host or (bool(self.latency_source.device) and not kind.on_host_only)
        return self.latency_source if reached else None
