"""The site of the documentation, as ``make docs`` builds it from the pages of ``make_site.py``."""

from __future__ import annotations

import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]

project = _PROJECT["name"]
author = _PROJECT["authors"][0]["name"]
version = release = _PROJECT["version"]
copyright = author  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser"]
root_doc = "index"
nitpicky = True
myst_heading_anchors = 4
"""Links name headings as on GitHub."""
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_extra_path = [str(_ROOT / "pytest_edgegate" / "reports" / "report.schema.json")]
html_static_path = [str(_ROOT / "docs" / "site.css")]
html_css_files = ["site.css"]
smartquotes = False
"""Options keep their two hyphens."""
