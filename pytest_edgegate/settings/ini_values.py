"""Ini keys of one kind, with their defaults and help texts."""

from __future__ import annotations

PROGRAMS = ("onnx2tf",)
"""External converters; each may be located by an ini key."""
TIMES = {
    "edge_latency_time": ("20 s", "how long a latency may be measured before it is undecided"),
    "edge_latency_floor": ("20 us", "slow-downs below this are ignored"),
    "edge_bootstrap_time": ("20 s", "how long the bootstrap of an interval may take"),
    "edge_early_after": ("10 s", "an evaluation whose rest would take longer may end early"),
    "edge_runtime_timeout": ("120 s", "how long a runtime may take over one call in its process"),
}
"""Ini keys for times: the default and the help text."""
