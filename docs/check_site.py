"""Checks the built site: ``python docs/check_site.py DIR``.

Every link inside of it leads to a file and an anchor that are there, and nothing that a browser
loads by itself (scripts, styles, pictures, fonts) comes from elsewhere. Links to other sites are
not followed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_IN_STYLES = re.compile(r"(?:url\(|@import(?!\s*url))\s*[\"']?([^\"')\s;]+)")


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _LOADED and _LOADED[tag] in given:
            self.loaded.append(given[_LOADED[tag]])


def faults(site: Path) -> Iterator[str]:
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for each in page.loaded:
            if _is_elsewhere(each):
                yield f"{name} loads {each}"
            elif not each.startswith("data:") and not _target(path, each).exists():
                yield f"{name} loads {each}, which is not there"
        for each in page.links:
            if not _is_elsewhere(each) and not _resolves(path, each, pages):
                yield f"{name} links to {each}, which is not there"
    for style in sorted(site.rglob("*.css")):
        for each in _IN_STYLES.findall(style.read_text("utf-8")):
            if _is_elsewhere(each):
                yield f"{style.relative_to(site)} loads {each}"


def _is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def _target(page: Path, address: str) -> Path:
    name = unquote(urlsplit(address).path)
    return (page.parent / name).resolve() if name else page


def _resolves(page: Path, address: str, pages: dict[Path, Page]) -> bool:
    target = _target(page, address)
    if target not in pages:
        return target.exists()
    return unquote(urlsplit(address).fragment) in pages[target].anchors


def main(site: Path) -> int:
    found = list(faults(site.resolve()))
    print(
        "\n".join(found)
        if found
        else f"{site}: every link resolves, and nothing is loaded from elsewhere"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
