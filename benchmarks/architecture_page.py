"""The tables of docs/architectures.md, of the results of ``architectures.py``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from architecture_models import ARCHITECTURES, Architecture

from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry

CHIP = ("memory", "flash", "mapped_ops", "streamed_bytes")
"""The figures that only a target's tool can tell."""
Cell = dict[str, Any]


# --- groups of targets


class Group(NamedTuple):
    """Targets that take the same artifact of a model."""

    targets: tuple[str, ...]
    form: str

    @property
    def name(self) -> str:
        return self.targets[0]


def form_of(target: Target, framework: str) -> str:
    return target.preferred.get(framework, target.formats[0])


_EMULATED = ("litert-cortex-", "onnxruntime-cortex-")
"""Runtimes in an emulator: they compare a file and decide nothing about how it is made."""


def constraints(target: Target, form: str) -> tuple[object, ...]:
    """What decides which file is made for a target, and how it is judged."""
    return (
        form,
        target.dtypes,
        target.io_dtypes,
        target.default_io if form == "litert" else "",  # other files keep their inputs in float
        target.complete_with_ptq,
        target.static_shape,
        target.per_channel_dense,
        target.activations,
        target.float_operators,
        tuple(each for each in target.runtimes.get(form, ()) if not each.startswith(_EMULATED)),
        tuple(sorted(target.operators)),
        tuple(sorted(target.refusals)),
        tuple(sorted(target.tools.items())),
    )


def grouped(targets: Iterable[Target], framework: str) -> list[Group]:
    found: dict[tuple[object, ...], list[str]] = {}
    forms = {}
    for target in targets:
        form = form_of(target, framework)
        key = constraints(target, form)
        found.setdefault(key, []).append(target.name)
        forms[key] = form
    return [Group(tuple(names), forms[key]) for key, names in found.items()]


def built_in_groups(framework: str) -> list[Group]:
    registry = Registry()
    return grouped((registry.get("target", each) for each in registry.names("target")), framework)


def wanted_cells(
    only: Sequence[str], targets: Sequence[str]
) -> Iterator[tuple[Architecture, Group]]:
    for architecture in ARCHITECTURES:
        if only and not {architecture.name, architecture.key}.intersection(only):
            continue
        for group in built_in_groups(architecture.framework):
            if not targets or set(group.targets).intersection(targets):
                yield architecture, group


# --- the page

_REGION = re.compile(r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- /measured -->)", re.DOTALL)
_MOST_OFFENDERS = 4
_HEAD = "| targets | format | outcome | MB | SQNR dB | runtimes differ by | CPU s | peak MB |"
Rows = Mapping[tuple[str, str], Cell]


def why(row: Cell) -> str:
    """Why a cell is red, refused or failed, in the words of the gate."""
    if row["status"] != "made":
        return str(row.get("message", ""))
    if "error" in row:
        return f"not compared: {row['error']['message']}"
    return "; ".join(
        red["reason"] if name == "contract" else f"{name}: {red['reason']}"
        for name, red in row["red"].items()
        if red["outcome"] == "fail"
    )


def shortened(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def outcome(row: Cell) -> str:
    """A word for a cell; of a contract that is broken, the operators."""
    if row["status"] != "made":
        return str(row["status"])
    contract = row["red"].get("contract")
    if contract is None:
        share = row["measured"].get("mapped_ops", 1.0)
        return "made" if share == 1 else f"made, red: {share:.1%} of the operators mapped"
    offenders = list(dict.fromkeys(map(offender, contract["details"])))
    more = len(offenders) - _MOST_OFFENDERS
    return "made, red: " + ", ".join(
        [*offenders[:_MOST_OFFENDERS], *([f"{more} others"] if more > 0 else [])]
    )


def offender(detail: str) -> str:
    """``19 x HARD_SWISH``, of a line about operators that are alike; else its first words."""
    alike = re.match(r"\d+ x \w+|\w+(?= #\d)", detail)
    return alike[0] if alike else shortened(detail.partition(":")[0], 60)


def parity(row: Cell) -> str:
    """How far the runtimes of the target differ: in steps of integer outputs, else in values."""
    found = row["measured"]
    if "error" in row:
        return "error"
    if "parity_lsb" in found:
        share = 100 * found["parity_within_lsb"]
        return f"{found['parity_lsb']:.0f} steps; {share:.1f} % within one"
    return f"{found['parity_abs']:.2g}" if "parity_abs" in found else "one runtime"


def figure(row: Cell, name: str, pattern: str) -> str:
    value = row["measured"].get(name)
    return "-" if value is None else pattern.format(value)


def drawn_row(architecture: Architecture, group: Group, row: Cell) -> str:
    shown = ["-"] * 5
    if row["status"] == "made":
        shown = [
            f"{row['bytes'] / 1e6:.2f}",
            figure(row, "sqnr_db", "{:.1f}"),
            parity(row),
        ]
    cost = [f"{row['cpu_s']:.0f}", f"{row['peak_mb']:,}"] if "cpu_s" in row else ["-"] * 2
    cells = [", ".join(group.targets), group.form, outcome(row), *shown[:3], *cost]
    return f"| {' | '.join(cells)} |"


def chip_lines(groups: Iterable[Group], rows: Mapping[Group, Cell]) -> Iterator[str]:
    """What a tool of the targets told of the files."""
    for group in groups:
        told = rows[group].get("measured", {})
        found = [_CHIP_WORDS[each].format(told[each]) for each in CHIP if each in told]
        if found:
            yield f"On {', '.join(group.targets)}: {', '.join(found)}.\n"


_CHIP_WORDS = {
    "memory": "{:,.0f} bytes of memory",
    "flash": "{:,.0f} bytes of flash",
    "mapped_ops": "{:.1%} of the operators mapped",
    "streamed_bytes": "{:,.0f} bytes streamed",
}


def spell_architecture(each: Architecture) -> str:
    size = "free size, run at" if each.free_size else "at"
    framework = {"keras": "Keras", "torch": "torch"}[each.framework]
    return f"{each.name}, {framework}, {size} {each.size} pixels"


def results_region(rows: Rows) -> Iterator[str]:
    for each in ARCHITECTURES:
        yield f"### {spell_architecture(each)}\n"
        groups = built_in_groups(each.framework)
        run = [group for group in groups if (each.key, group.name) in rows]
        left = [name for group in groups if group not in run for name in group.targets]
        if run:
            yield _HEAD
            yield "|" + "---|" * 8
            for group in run:
                yield drawn_row(each, group, rows[each.key, group.name])
            yield ""
            yield from chip_lines(run, {group: rows[each.key, group.name] for group in run})
        if left:
            yield f"Not run: {', '.join(left)}.\n"


def reasons(rows: Rows) -> dict[tuple[str, str], list[str]]:
    """The cells by why they are red or refused, and by what to change."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in ARCHITECTURES:
        for group in built_in_groups(each.framework):
            row = rows.get((each.key, group.name))
            for reason in () if row is None else reasons_of(row):
                found.setdefault(reason, []).append(f"{each.key} on {', '.join(group.targets)}")
    return found


def reasons_of(row: Cell) -> Iterator[tuple[str, str]]:
    if row["status"] != "made":
        yield shortened(row.get("message", ""), 400), shortened(row.get("remedy", ""), 400)
        return
    if "error" in row:
        yield shortened(row["error"]["message"], 400), shortened(row["error"]["remedy"], 400)
    for name, red in row["red"].items():
        if red["outcome"] != "fail":
            continue
        details = "; ".join(kind_of_offence(each) for each in red["details"][:4])
        said = details or f"{name}: {red['cause'] or red['reason']}"
        yield shortened(said, 400), shortened(red["remedy"], 400)


def kind_of_offence(detail: str) -> str:
    """A line about operators without their number and names, which differ between models."""
    without = re.sub(r"^\d+ x |\(first: [^:]*\)|#\d+ \([^:]*\)", "", detail)
    return " ".join(without.replace(" :", ":").split())


def reasons_region(rows: Rows) -> Iterator[str]:
    yield "| why | what to change | where |\n|---|---|---|"
    for (reason, remedy), cells in reasons(rows).items():
        yield f"| {escaped(reason)} | {escaped(remedy)} | {'; '.join(cells)} |"


def escaped(text: str) -> str:
    """As a cell of a table, in which names of operators are not markup."""
    return re.sub(r"([|<>*_`\[\]])", r"\\\1", text)


def claims_region(rows: Rows) -> Iterator[str]:
    forms = ("litert", "onnx", "openvino")
    yield (
        "| | parameters | said | float MB | said | int8 MB, LiteRT | ONNX | OpenVINO | said "
        "| said to take, ms |"
    )
    yield "|" + "---|" * 10
    for each in ARCHITECTURES:
        if each.claimed is None:
            continue
        made = [
            row for (key, _), row in rows.items() if key == each.key and row["status"] == "made"
        ]
        if not made:
            continue
        count = max(row["measured"].get("parameters", 0) for row in made)
        sizes = [
            spelt_sizes([row["bytes"] for row in made if row["form"] == form]) for form in forms
        ]
        said = each.claimed
        yield (
            f"| {each.name}, {each.framework} | {count / 1e6:.2f} M | {said.parameters} "
            f"| {4 * count / 1e6:.1f} | {said.float_mb} | {' | '.join(sizes)} | {said.int8_mb} "
            f"| {said.times} |"
        )


def spelt_sizes(sizes: Sequence[int]) -> str:
    """The megabytes of the files of one format, which targets of it may not share."""
    found = sorted({f"{each / 1e6:.1f}" for each in sizes}, key=float)
    return "-" if not found else found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def kind_of_cell(row: Cell) -> str:
    if row["status"] != "made":
        return str(row["status"])
    if "contract" in row["red"] or row["measured"].get("mapped_ops", 1.0) < 1:
        return "made, with a red contract"
    return "made, but its runtimes could not be compared" if "error" in row else "made"


def missing_region(rows: Rows) -> Iterator[str]:
    every = [*wanted_cells((), ())]
    left = [each for each in every if (each[0].key, each[1].name) not in rows]
    kinds = Counter(
        kind_of_cell(row)
        for row in (rows.get((each.key, group.name)) for each, group in every)
        if row is not None
    )
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    yield f"Of {len(every)} cells: {told}, {len(left)} not run."


REGIONS: dict[str, Callable[[Rows], Iterator[str]]] = {
    "results": results_region,
    "reasons": reasons_region,
    "claims": claims_region,
    "missing": missing_region,
}


def with_regions(text: str, rows: Rows) -> str:
    """The text of the page with its regions as the results are."""
    return _REGION.sub(
        lambda found: found[1] + "\n".join(REGIONS[found[2]](rows)).rstrip() + "\n" + found[3], text
    )
