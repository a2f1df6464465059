"""The site is made of the pages: its links, its lists of pages, and what browsers load."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_every_page_is_listed_once(make_site: ModuleType, tmp_path: Path) -> None:
    make_site.main(tmp_path)
    made = {each.name for each in tmp_path.glob("*.md")}
    assert {each.name for each in DOCS.glob("*.md")} | {"security.md", "changelog.md"} == made
    index = (tmp_path / "index.md").read_text("utf-8")
    listed = [
        name
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.S)
        for name in block.partition("\n\n")[2].split()
    ]
    assert sorted(listed) == sorted(each.removesuffix(".md") for each in made - {"index.md"})


def test_links_lead_to_pages_of_the_site(make_site: ModuleType, tmp_path: Path) -> None:
    make_site.main(tmp_path)
    for page in tmp_path.glob("*.md"):
        for _, address in make_site.LINK.findall(page.read_text("utf-8")):
            name = address.partition("#")[0]
            if name and not re.match(r"[a-z]+:", name):
                assert (tmp_path / name).exists(), (page.name, address)


def test_links_to_files_that_a_site_does_not_have_become_text(make_site: ModuleType) -> None:
    text = make_site.for_site(DOCS / "formats.md")
    assert "pytest_edgegate/backends/keras/vetting" in (DOCS / "formats.md").read_text("utf-8")
    assert "](../" not in text
    assert '<a href="report.schema.json">' in make_site.for_site(DOCS / "report-json.md")


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ('<p id="a"></p><a href="#a">', None),
        ('<p id="a"></p><a href="#b">', "index.html links to #b"),
        ('<a href="other.html#there">', None),
        ('<a href="other.html#gone">', "index.html links to other.html#gone"),
        ('<a href="gone.html">', "index.html links to gone.html"),
        ('<a href="https://example.org/x">', None),
        ('<script src="https://example.org/x.js"></script>', "index.html loads https:"),
        ('<script src="//example.org/x.js"></script>', "index.html loads //example.org"),
        ('<img src="gone.png">', "index.html loads gone.png"),
        ('<link href="style.css">', None),
    ],
)
def test_what_is_wrong_with_a_site_is_told(
    check_site: ModuleType, tmp_path: Path, html: str, told: str | None
) -> None:
    (tmp_path / "index.html").write_text(html, "utf-8")
    (tmp_path / "other.html").write_text('<p id="there"></p>', "utf-8")
    (tmp_path / "style.css").write_text("p { color: red }", "utf-8")
    found = list(check_site.faults(tmp_path))
    assert [each.startswith(told) for each in found] == [True] if told else found == []


def test_styles_that_load_fonts_from_elsewhere_are_told(
    check_site: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "style.css").write_text('@import url("https://fonts.example.org/a");', "utf-8")
    assert list(check_site.faults(tmp_path)) == ["style.css loads https://fonts.example.org/a"]
    assert check_site.main(tmp_path) == 1
