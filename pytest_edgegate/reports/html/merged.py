"""What a page says of the reports that its record was merged from, and of the machine of each."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_edgegate.core.record import RunRecord
from pytest_edgegate.reports.html.markup import Element, element
from pytest_edgegate.reports.html.words import facts, listed, without

_MOST = 200
"""The most disagreements that are shown."""


def disagreements_section(run: RunRecord) -> Element | None:
    """Where two of the merged reports come to different ends; None where none do."""
    found = run.disagreements
    if not found:
        return None
    return element(
        "section",
        element("h2", f"Reports that disagree ({len(found):,})", id="disagree-title"),
        element("p", "Two of the reports judge the same budget otherwise.", class_="note"),
        element("ul", (element("li", each) for each in found[:_MOST])),
        without(len(found) - _MOST if len(found) > _MOST else 0, "disagreement"),
        id="disagree",
        aria_labelledby="disagree-title",
    )


def machines(run: RunRecord) -> list[Element]:
    """The machine and the packages, of each of the merged reports where there are several."""
    if not run.merged_from:
        return [_machine(run.environment, "Machine and packages")]
    return [
        _machine(each.environment, f"Machine and packages of {each.report}")
        for each in run.merged_from
    ]


def _machine(environment: Mapping[str, object], title: str) -> Element:
    packages, isa = environment.get("packages"), environment.get("isa")
    named = packages if isinstance(packages, Mapping) else {}
    chips = isa if isinstance(isa, list | tuple) else ()
    return element(
        "details",
        element("summary", title),
        facts(
            [
                ("Processor", str(environment.get("cpu", ""))),
                ("Machine", str(environment.get("machine", ""))),
                ("Instructions", listed([str(each) for each in chips], "tags")),
                ("Python", str(environment.get("python", ""))),
                ("Packages", listed([f"{name} {named[name]}" for name in sorted(named)], "tags")),
            ]
        ),
        class_="machine",
    )
