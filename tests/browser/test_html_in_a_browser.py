"""The HTML report in Chromium: filter, search, keyboard, themes, paper, and a large run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import BudgetRecord, MeasuredRecord, RunRecord, VerdictRecord
from pytest_edgegate.reports.html.page import html_of

Visit = Callable[[bytes], Any]


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
        remedy=f"mend {test}" if red else "",
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


def test_the_remedy_is_copied(visit: Visit) -> None:
    page = visit(html_of(RUN))
    for each in ("clipboardReadWrite", "clipboardSanitizedWrite"):
        page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": [each]})
    button = page.find_element("css selector", "button.copy")
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    button.click()
    assert page.execute_script("return window.copied") == "mend test_two[coral]"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read_in_both_themes(visit: Visit, browser: Any, theme: str) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    try:
        page = visit(html_of(RUN))
        page.execute_script("document.querySelectorAll('details').forEach(e => { e.open = true; })")
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


@pytest.mark.parametrize("width", [390, 1280])
def test_no_width_makes_the_page_scroll_sideways(visit: Visit, browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        long = verdict("test_" + "x" * 400, "size", 9, 5, "PTQ(" + "y" * 300 + ")")
        page = visit(html_of(RunRecord({}, (*RUN.verdicts, long))))
        wide = page.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_rows_of_a_narrow_window_are_still_a_table(visit: Visit, browser: Any) -> None:
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        visit(html_of(RUN))
        nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {each["role"]["value"] for each in nodes if "role" in each}
        assert {"table", "row", "rowheader", "columnheader", "cell"} <= roles
        assert {"banner", "navigation", "main", "contentinfo", "search", "status"} <= roles
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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
