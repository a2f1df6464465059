"""Puts the pages of the site into a folder, as Sphinx reads them: ``python docs/make_site.py DIR``.

The pages are written to be read in the repository, where some lie beside this folder and some link
to files that a site does not have. Here all pages lie in one folder, links between them follow,
links to other files of the repository become their text, and the list of pages beside each page
is made from the sections of ``index.md``.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUTSIDE = {ROOT / "SECURITY.md": "security.md", ROOT / "CHANGELOG.md": "changelog.md"}
"""Pages outside of this folder, by their name on the site."""
CARRIED = {ROOT / "pytest_edgegate" / "reports" / "report.schema.json": "report.schema.json"}
"""Files that the site has beside its pages."""
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)


def pages() -> dict[Path, str]:
    """Every page by its name on the site."""
    return {**{each: each.name for each in sorted(DOCS.glob("*.md"))}, **OUTSIDE}


def for_site(page: Path) -> str:
    """The text of a page with its links as on the site; what is in fences stays."""
    parts = _FENCE.split(page.read_text("utf-8"))
    parts[::2] = [LINK.sub(lambda found: _link(found, page), each) for each in parts[::2]]
    return "".join(parts)


def _link(found: re.Match[str], page: Path) -> str:
    text, address = found.groups()
    name, hash_sign, anchor = address.partition("#")
    if re.match(r"[a-z]+:", address) or not name:
        return found[0]
    linked = (page.parent / name).resolve()
    if linked in CARRIED:
        return f'<a href="{CARRIED[linked]}">{_as_html(text)}</a>'
    on_site = pages().get(linked)
    return f"[{text}]({on_site}{hash_sign}{anchor})" if on_site else text


def _as_html(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def tables_of_contents(index: str) -> Iterator[str]:
    """One hidden list for each section of the index, of the pages that it links as a whole."""
    _, *sections = _SECTION.split(index)
    for title, content in zip(sections[::2], sections[1::2], strict=True):
        names = [address for _, address in LINK.findall(content) if address.endswith(".md")]
        listed = "\n".join(each.removesuffix(".md") for each in names)
        yield f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n"


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page, name in pages().items():
        text = for_site(page)
        if name == "index.md":
            text = "\n".join((text, *tables_of_contents(text)))
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
