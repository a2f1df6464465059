"""Targets as data: one TOML file a board in this folder, reached by its name as an attribute."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.core.target import Target

_FOLDER = Path(__file__).parent


def __getattr__(name: str) -> Target:
    """The built-in target *name* (dashes as underscores); what entry points load."""
    path = _FOLDER / f"{name.replace('_', '-')}.toml"
    if name.startswith("_") or not path.is_file():
        raise AttributeError(f"no target file {path.name}")
    import tomllib

    from pytest_edgegate.targets.parse import target_from_table

    return target_from_table(path.stem, tomllib.loads(path.read_text("utf-8")), origin=path.name)
