"""The listing of --edge-list-targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pytest_edgegate.core.target import OperatorRule, Target
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.unmeasurable import unmeasurable


def list_targets(session: EdgeSession) -> int:
    """Prints every known target; returns the exit status."""
    for name in session.known_targets():
        target = session.target(name)
        print("\n".join(lines_of(target, session.emulated(target))))
    return 0


def lines_of(target: Target, emulated: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The lines about one target, with an empty line at the end.

    *emulated*: its runtimes in an emulator, with the sources of their figures.
    """
    io = " or ".join(target.io_dtypes) or "any dtype"
    lines = [
        f"{target.name}: {target.title}",
        f"  takes {' or '.join(target.formats)} in {', '.join(target.dtypes)}; "
        f"inputs and outputs in {io}",
    ]
    for form, runtimes in target.runtimes.items():
        parity = f"parity in {', '.join(runtimes)}" if runtimes[1:] else "no parity: it is alone"
        lines.append(f"  {form} is measured in {runtimes[0]}; {parity}")
        lines += [f"    {name} is {emulated[name]}" for name in runtimes if name in emulated]
    lines += _tools(target)
    lines += _tool_options(target)
    lines += _unmeasurable(target)
    lines += _operators(target)
    lines += [f"  refuses {rule} ({words})" for rule, words in target.refusals.items()]
    if target.memory_bytes is not None:
        lines.append(f"  memory: {target.memory_bytes:,} bytes")
    lines += [f"  source of {key}: {text}" for key, text in target.sources.items()]
    if target.origin:
        lines.append(f"  from {target.origin}")
    return [*lines, ""]


def _tools(target: Target) -> Iterator[str]:
    for name in dict.fromkeys(target.tools.values()):
        metrics = [metric for metric, tool in target.tools.items() if tool == name]
        yield f"  {' and '.join(metrics)} {'are' if metrics[1:] else 'is'} reported by {name}"


def _tool_options(target: Target) -> Iterator[str]:
    for name, options in target.tool_options.items():
        spelt = ", ".join(f"{key} = {value}" for key, value in options.items())
        yield f"  {name} runs with {spelt}"


def _unmeasurable(target: Target) -> Iterator[str]:
    for reason, metrics in unmeasurable(target).items():
        yield f"  not measured: {', '.join(metrics)}: {reason}"


def _operators(target: Target) -> Iterator[str]:
    if target.operators:
        yield f"  operators: {', '.join(sorted(target.operators))}"
    for kind, rule in sorted(target.operators.items()):
        asked = _asked(rule)
        if asked:
            yield f"  {kind}: {asked}"


def _asked(rule: OperatorRule) -> str:
    """The requirements on an operator that cannot be checked in a file."""
    since = f"since version {rule.since} of the runtime" if rule.since else ""
    source = f"source: {rule.source}" if rule.source else ""
    return "; ".join(filter(None, (since, rule.note, source)))
