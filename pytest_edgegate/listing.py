"""What --edge-list-targets prints."""

from __future__ import annotations

from pytest_edgegate.core.target import Target
from pytest_edgegate.session.run import EdgeSession


def list_targets(session: EdgeSession) -> int:
    """Prints every known target; returns the exit status."""
    for name in session.known_targets():
        print("\n".join(_lines(session.target(name))))
    return 0


def _lines(target: Target) -> list[str]:
    io = " or ".join(target.io_dtypes) or "any dtype"
    lines = [
        f"{target.name}: {target.title}",
        f"  takes {' or '.join(target.formats)} in {', '.join(target.dtypes)}; "
        f"inputs and outputs in {io}",
    ]
    for form, runtimes in target.runtimes.items():
        parity = f"parity in {', '.join(runtimes)}" if runtimes[1:] else "no parity: it is alone"
        lines.append(f"  {form} is measured in {runtimes[0]}; {parity}")
    if target.operators:
        lines.append(f"  operators: {', '.join(sorted(target.operators))}")
    if target.memory_bytes is not None:
        lines.append(f"  memory: {target.memory_bytes:,} bytes")
    lines += [f"  source of {key}: {text}" for key, text in target.sources.items()]
    if target.origin:
        lines.append(f"  from {target.origin}")
    return [*lines, ""]
