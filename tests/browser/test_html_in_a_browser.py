"""The HTML report in Chromium: filter, search, keyboard, themes, paper, and a large run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pytest_edgegate.core.accepted_record import SeenAccepted
from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import BudgetRecord, MeasuredRecord, RunRecord, VerdictRecord
from pytest_edgegate.core.shown_record import (
    SHARES,
    AnswersRecord,
    ClassRecord,
    FlipRecord,
    TimesRecord,
)
from pytest_edgegate.measures.pictures import pictures_of
from pytest_edgegate.reports.html.page import html_of

Visit = Callable[[bytes], Any]
ACCEPT = "pytest --edge-accept"


def verdict(test: str, metric: str, value: float, limit: float, recipe: str) -> VerdictRecord:
    red = value > limit
    return VerdictRecord(
        test=test,
        target="coral",
        artifact=ArtifactRecord("litert", recipe + test, 41_000, (recipe,), cached=False),
        budget=BudgetRecord(metric, limit, Budget(metric, limit).kind.unit),
        measured=MeasuredRecord(value, "host:litert", value - 0.001, value + 0.001, 0.9, 100, 100),
        outcome=Outcome("fail" if red else "pass"),
        allowed=False,
        proven=True,
        reason=f"{value} against {limit}",
        remedy=f"mend {test}; if it is meant: {ACCEPT}, and commit it" if red else "",
    )


RUN = RunRecord(
    {"cpu": "a chip"},
    (
        verdict("test_one[coral]", "accuracy_drop", 0.002, 0.01, "PTQ(samples=200)"),
        verdict("test_one[coral]", "size", 41_000, 60_000, "PTQ(samples=200)"),
        verdict("test_two[coral]", "accuracy_drop", 0.03, 0.01, "QAT(epochs=1)"),
        verdict("test_two[coral]", "size", 41_000, 60_000, "QAT(epochs=1)"),
        verdict("test_three[coral]", "size", 41_000, 60_000, "Cast('float16')"),
    ),
)


def shown(page: Any) -> list[str]:
    """The tests and budgets that can be seen, also in what is closed."""
    found: list[str] = page.execute_script(
        """return [...document.querySelectorAll("#groups > .group:not([hidden])")].flatMap(group =>
        [...group.querySelectorAll("tr.verdict:not([hidden])")].map(row =>
        group.querySelector("h3").textContent + " " + row.querySelector("th").textContent))"""
    )
    return found


def status(page: Any) -> str:
    return str(page.find_element("id", "shown").text)


def test_only_failures_leaves_the_red_verdicts(visit: Visit) -> None:
    page = visit(html_of(RUN))
    assert len(shown(page)) == 5
    page.find_element("id", "failures").click()
    assert shown(page) == ["test_two[coral] accuracy_drop"]
    assert status(page) == "1 of 5 verdicts"
    page.find_element("id", "failures").click()
    assert len(shown(page)) == 5
    assert status(page) == "5 verdicts"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("float16", ["test_three[coral] size"]),
        ("TEST_ONE", ["test_one[coral] accuracy_drop", "test_one[coral] size"]),
        ("two size", ["test_two[coral] size"]),
        ("mend", ["test_two[coral] accuracy_drop"]),
        ("(samples=200) drop", ["test_one[coral] accuracy_drop"]),
        ("nowhere", []),
    ],
)
def test_a_search_finds_tests_artifacts_and_texts(
    visit: Visit, typed: str, found: list[str]
) -> None:
    page = visit(html_of(RUN))
    page.find_element("id", "search").send_keys(typed)
    assert shown(page) == found
    assert page.find_element("id", "nothing").is_displayed() == (not found)


def test_a_search_within_the_failures(visit: Visit) -> None:
    page = visit(html_of(RUN))
    page.find_element("id", "failures").click()
    page.find_element("id", "search").send_keys("one")
    assert shown(page) == []
    assert status(page) == "0 of 5 verdicts"


def test_all_is_reached_and_opened_by_the_keyboard(visit: Visit) -> None:
    from selenium.webdriver import ActionChains, Keys

    page = visit(html_of(RUN))
    reached, seen = [], set()
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        now = page.switch_to.active_element
        if now.tag_name == "body" or now.id in seen:
            break
        seen.add(now.id)
        outline = page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", now)
        assert outline != "none", now.tag_name
        named = now.get_attribute("id") or now.get_attribute("class") or now.text.splitlines()[0]
        reached.append(named)
        if now.tag_name == "summary" and "test_one" in now.text:
            group = now.find_element("xpath", "..")
            assert group.get_attribute("open") is None
            ActionChains(page).send_keys(Keys.ENTER).perform()
            assert group.get_attribute("open") is not None
    assert reached[0] == "skip"
    wanted = ["search", "failures", "open-all", "close-all", "copy"]
    assert [each for each in reached if each in wanted] == wanted


def test_the_command_of_a_remedy_is_copied(visit: Visit) -> None:
    page = visit(html_of(RUN))
    for each in ("clipboardReadWrite", "clipboardSanitizedWrite"):
        page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": [each]})
    button = page.find_element("css selector", "button.copy")
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    button.click()
    assert page.execute_script("return window.copied") == ACCEPT
    assert page.find_element("id", "told").get_attribute("textContent") == f"Copied: {ACCEPT}"
    assert button.text == "Copied"
    assert button.accessible_name == f"Copy {ACCEPT}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(visit: Visit, browser: Any, theme: str) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    try:
        page = visit(html_of(whole()))
        page.execute_script(OPEN)
        dark = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark.strip("rgb()").split(","))) < 200) == (theme == "dark")
        assert page.execute_script(WORST_CONTRAST) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


WORST_CONTRAST = """
const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = (c) => { const p = c.slice(0, 3).map((v) => { v /= 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
const ground = (e) => { for (; e; e = e.parentElement) {
  const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
const bad = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const silent = ["SCRIPT", "title", "desc"].includes(e.tagName);
  if (!own || silent || !e.getClientRects().length) continue;
  const style = getComputedStyle(e);
  const svg = e instanceof SVGElement;
  const [a, b] = [light(rgb(svg ? style.fill : style.color)), light(ground(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) bad.push(`${e.tagName} ${e.className} ${e.textContent.slice(0, 40)} ${ratio}`);
}
return bad;
"""
"""Texts with less contrast than WCAG AA asks for."""


@contextmanager
def window(browser: Any, width: int) -> Iterator[None]:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def whole(*, drops: tuple[float, ...] = (0.01, 0.02), sizes: tuple[int, ...] = (60_000,)) -> Any:
    """A run with a picture of each kind, of artifacts that lie near each other and the limits."""
    import numpy as np

    numbers = [tuple(each * (1 + share) for share in SHARES) for each in (0.00011, 0.0002)]
    verdicts, seen = [], []
    for at, (size, drop) in enumerate([(56_700, 0.0), (56_300, 0.009), (41_300, 0.021)]):
        artifact = ArtifactRecord("litert", f"{at}", size, (f"PTQ(samples={at})",), cached=False)
        given = dict.fromkeys(drops, "accuracy_drop") | dict.fromkeys(sizes, "size")
        for limit, metric in given.items():
            value = drop if metric == "accuracy_drop" else size
            one = verdict(f"test_{at}[coral]", metric, value, limit, "PTQ()")
            verdicts.append(replace(one, artifact=artifact))
        for metric, other in (("latency_p50", ()), ("latency_ratio", numbers[1])):
            one = verdict(f"test_{at}[coral]", metric, 0.0002, 0.00002, "PTQ()")
            assert one.measured is not None
            drawn = replace(one.measured, times=TimesRecord(1_000, numbers[0], other))
            verdicts.append(replace(one, artifact=artifact, measured=drawn))
        pictures = pictures_of((np.zeros((9, 96, 96, 1), np.float32),))
        flips = tuple(FlipRecord(8_000 + n, 3, 3, 5, each) for n, each in enumerate(pictures))
        classes = tuple(ClassRecord(n, 1_000, 990 - n, 900) for n in range(10))
        seen.append(
            SeenRecord(
                f"test_{at}[coral]",
                "coral",
                artifact,
                score=ScoreRecord("top1", 0.987, 0.987 - drop, 1_000, 1_000),
                accepted=SeenAccepted("cd", size - 300, "top1", 0.986, 0.001),
                answers=AnswersRecord(10_000, classes, 0, 9, 0, flips),
            )
        )
    return RunRecord({}, tuple(verdicts), artifacts=tuple(seen))


OPEN = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
COLLISIONS = """
// In units of the picture; a box of a font is taller than its letters
const box = (e, less) => { const b = e.getBBox(), m = e.getCTM();
  if (e.tagName === "text" && e.hasAttribute("transform")) return null;
  return [b.x, b.y + less, b.x + b.width, b.y + b.height - less]; };
const meet = (a, b) => Math.min(a[2], b[2]) - Math.max(a[0], b[0]) > 0.3
  && Math.min(a[3], b[3]) - Math.max(a[1], b[1]) > 0.3;
const found = [];
for (const svg of document.querySelectorAll(".picture svg")) {
  const size = svg.viewBox.baseVal;
  const texts = [...svg.querySelectorAll("text")].map((e) => [e.textContent, box(e, 2)])
    .filter(([, b]) => b);
  const marks = [...svg.querySelectorAll(".limit, .accepted, .point circle, .point rect")]
    .map((e) => { const b = box(e, 0);
      return [e.getAttribute("class") || e.tagName,
        [b[0] - 0.2, b[1] - 0.2, b[2] + 0.2, b[3] + 0.2]]; });
  texts.forEach(([text, a], at) => {
    if (a[0] < 0 || a[1] < 0 || a[2] > size.width || a[3] > size.height) found.push(`${text} out`);
    for (const [other, b] of [...texts.slice(at + 1), ...marks]) {
      if (meet(a, b)) found.push(`${text} | ${other}`);
    }
  });
}
return found;
"""
"""Texts of pictures that cover each other, a limit or a mark, or that leave the picture."""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("drops", "sizes"),
    [
        ((0.01, 0.02), (60_000,)),
        ((0.001, 0.002, 0.004), (55_000, 56_500, 57_000, 60_000)),
        ((0.02,), (41_000, 400_000, 4_000_000)),
        ((0.01,), (59_000, 60_000)),
        ((), ()),
    ],
)
def test_no_text_of_a_picture_covers_another(
    visit: Visit,
    browser: Any,
    width: int,
    drops: tuple[float, ...],
    sizes: tuple[int, ...],
) -> None:
    with window(browser, width):
        page = visit(html_of(whole(drops=drops, sizes=sizes)))
        page.execute_script(OPEN)
        assert page.execute_script(COLLISIONS) == []
        named = page.find_elements("css selector", "#sizes .limit-text")
        assert len(named) == len(drops) + len(sizes), [each.text for each in named]


def test_a_narrow_window_shows_pictures_and_tables_whole_and_readable(
    visit: Visit, browser: Any
) -> None:
    with window(browser, 390):
        page = visit(html_of(whole()))
        page.execute_script(OPEN)
        hidden = page.execute_script(
            """return [...document.querySelectorAll(".wide")].filter((each) =>
            each.scrollWidth > each.clientWidth + 1).map((each) => each.textContent)"""
        )
        assert hidden == []
        heights = page.execute_script(
            """return [...document.querySelectorAll(".picture svg")].map((each) =>
            parseFloat(getComputedStyle(each.querySelector("text")).fontSize)
            * each.getScreenCTM().a)"""
        )
        assert heights
        assert min(heights) >= 10


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    "name",
    [
        "test_" + "x" * 400,
        "\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627" * 20,
        "a\u200b\u202eb\ufeff" * 40,
        "</script></details><table>" * 9,
        "W" * 90 + " " + "\U0001f600" * 90,
    ],
    ids=["long", "right to left", "not to be seen", "markup", "wide"],
)
def test_no_width_makes_the_page_scroll_sideways(
    visit: Visit, browser: Any, width: int, name: str
) -> None:
    with window(browser, width):
        long = verdict(name, "size", 9, 5, f"PTQ({name})")
        run = whole()
        named = [
            replace(
                each,
                artifact=replace(each.artifact, recipe=(name,), path=name),
                test=name,
                target=name,
            )
            for each in run.artifacts
        ]
        of_name = [
            replace(each, target=name, artifact=named[0].artifact, remedy=name, details=(name,))
            for each in run.verdicts
        ]
        given = (*of_name, *RUN.verdicts, long)
        page = visit(html_of(RunRecord({"cpu": name}, given, artifacts=tuple(named))))
        page.execute_script(OPEN)
        wide = page.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        # Nothing that is shown lies outside of what the page scrolls to, but in what scrolls itself
        outside = page.execute_script(
            """return [...document.querySelectorAll("main *")].filter((each) =>
            !each.closest(".wide") && each.getClientRects().length
            && each.getBoundingClientRect().right > innerWidth + 1
            && getComputedStyle(each).clipPath === "none").map((each) => each.outerHTML)"""
        )
        assert [each for each in outside if "<thead" not in each and "<th " not in each] == []


def test_the_rows_of_a_narrow_window_are_still_a_table(visit: Visit, browser: Any) -> None:
    with window(browser, 390):
        visit(html_of(RUN))
        nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {each["role"]["value"] for each in nodes if "role" in each}
        assert {"table", "row", "rowheader", "columnheader", "cell"} <= roles
        assert {"banner", "navigation", "main", "contentinfo", "search", "status"} <= roles


def test_everything_that_is_operated_or_seen_has_a_name(visit: Visit, browser: Any) -> None:
    run = whole()
    page = visit(html_of(run))
    page.execute_script(OPEN)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told: dict[str, list[str]] = {}
    for each in nodes:
        if not each["ignored"]:
            name = each.get("name", {}).get("value", "")
            told.setdefault(each["role"]["value"], []).append(name)
    for role in ("button", "searchbox", "checkbox", "link", "image", "table", "region"):
        assert told.get(role), role
        assert all(told[role]), (role, told[role])
    assert told["checkbox"] == [f"Only failures ({sum(each.red for each in run.verdicts)})"]
    assert len(set(told["heading"])) > 5


def test_a_link_opens_what_explains_a_red_verdict(visit: Visit) -> None:
    page = visit(html_of(whole()))
    link = page.find_element("css selector", "#groups a[href$='-answers']")
    name = str(link.get_attribute("href")).rpartition("#")[2]
    target = page.find_element("id", name)
    assert not target.is_displayed()
    link.click()
    assert target.is_displayed()
    shown = (
        "const b = arguments[0].getBoundingClientRect(); return b.top >= -1 && b.top < innerHeight"
    )
    assert page.execute_script(shown, target)


def test_paper_has_all_verdicts_and_no_controls(visit: Visit, browser: Any) -> None:
    page = visit(html_of(RUN))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        assert not page.find_element("id", "search").is_displayed()
        assert all(each.is_displayed() for each in page.find_elements("css selector", "tr.verdict"))
        page.execute_script("window.dispatchEvent(new Event('afterprint'))")
        opened = page.find_elements("css selector", "#groups > details[open]")
        assert len(opened) == 1
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_nothing_is_asked_of_a_network(visit: Visit, browser: Any) -> None:
    visit(html_of(RUN))
    log = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [
        each["params"]["request"]["url"]
        for each in log
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert all(each.startswith(("file:", "data:")) for each in asked), asked


def test_a_script_in_a_name_does_not_run(visit: Visit) -> None:
    name = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
    page = visit(html_of(RunRecord({}, (verdict(name, "size", 9, 5, name),))))
    assert page.execute_script("return window.ran === undefined")
    assert page.find_element("css selector", "#groups h3").text == name


def test_500_verdicts_cost_as_much_as_they_are(visit: Visit) -> None:
    """The work of the page grows with its rows, not with their square: counted, as times vary."""
    counts = []
    for number in (50, 500):
        run = RunRecord(
            {},
            tuple(
                verdict(f"test_{at // 5}", metric, at % 9, 7, "PTQ()")
                for at in range(number)
                for metric in ("size", "macs", "parameters", "memory", "flash")[at % 5 : at % 5 + 1]
            ),
        )
        content = html_of(run)
        page = visit(content)
        nodes = page.execute_script("return document.querySelectorAll('*').length")
        page.find_element("id", "failures").click()
        red = sum(each.red for each in run.verdicts)
        assert status(page) == f"{red} of {number} verdicts"
        # A search that is typed reads the rows once, and then asks what it has kept
        page.execute_script(
            """window.reads = 0;
            const text = Object.getOwnPropertyDescriptor(Node.prototype, "textContent");
            Object.defineProperty(Node.prototype, "textContent", {
              get() { window.reads += 1; return text.get.call(this); },
              set(value) { text.set.call(this, value); } });"""
        )
        page.find_element("id", "search").send_keys("test_1")
        assert page.execute_script("return window.reads") == 0
        counts.append((nodes, len(content)))
    for small, large in zip(*counts, strict=True):
        assert large <= 11 * small
    assert counts[1][1] < 2_000_000
