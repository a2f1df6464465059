"""The listing of --edge-list-targets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pytest_edgegate.core.printable import printable_line
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
    lines += _mapping(target)
    lines += _operators(target)
    lines += _limits(target)
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
    """What the tools that report something are run with."""
    for name in dict.fromkeys(target.tools.values()):
        if name in target.programs:
            program = target.programs[name]
            asked = f"; {_command(program.version)} tells its version" if program.version else ""
            yield (
                f"  {name} is the command {_command(program.command)}, which has "
                f"{program.seconds} s{asked}"
            )
        elif target.tool_options.get(name):
            options = target.tool_options[name].items()
            yield f"  {name} runs with {', '.join(f'{key} = {value}' for key, value in options)}"


def _command(arguments: Sequence[str]) -> str:
    """As it would be typed, but for the place of the file."""
    spelt = " ".join(each if "{model}" in each else shlex.quote(each) for each in arguments)
    return printable_line(spelt)


def _unmeasurable(target: Target) -> Iterator[str]:
    for reason, metrics in unmeasurable(target).items():
        yield f"  not measured: {', '.join(metrics)}: {reason}"


def _mapping(target: Target) -> Iterator[str]:
    """How its compiler divides a file, and what is not certain about that."""
    rules = target.mapping
    if rules is None:
        return
    yield (
        f"  divided between chip and CPU as by version {rules.compiler} of the compiler and "
        f"{rules.runtime} of the runtime (predicted:{rules.name})"
    )
    if rules.cpu or rules.cpu_at_ends:
        ends = (f"{each} at inputs and outputs" for each in rules.cpu_at_ends)
        yield f"  may stay on the CPU: {', '.join((*rules.cpu, *ends))}"
    if rules.largest_seen != float("inf"):
        yield f"  the largest tensor that was seen mapped: {rules.largest_seen:,.0f} bytes"
    if rules.newest:
        versions = (f"{kind} {_versions(*each)}" for kind, each in sorted(rules.newest.items()))
        yield f"  the compiler reads operators up to these versions: {', '.join(versions)}"
    for rule, source in rules.sources.items():
        yield f"  source of the rule {rule}: {source}"
    for rule, guess in rules.guesses.items():
        yield f"  the rule {rule} is a guess: {guess}"


def _versions(known: int, perhaps: int) -> str:
    return str(known) if known == perhaps else f"{known} (perhaps {perhaps})"


def _limits(target: Target) -> Iterator[str]:
    for name, limit in target.limits.items():
        most = "" if limit.most is None else f"at most {limit.most:,.6g}"
        if limit.most is not None and limit.most.is_integer():
            most = f"at most {limit.most:,.0f}"
        guess = f"a guess: {limit.guess}" if limit.guess else ""
        source = f"source: {limit.source}" if limit.source else ""
        yield f"  limit {name}: {'; '.join(filter(None, (most, guess, source)))}"


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
    guess = f"a guess: {rule.guess}" if rule.guess else ""
    return "; ".join(filter(None, (since, rule.note, guess, source)))
