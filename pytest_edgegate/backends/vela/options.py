"""What a target says to Vela: the accelerator, its clock and memories, and where tensors lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pytest_edgegate.backends.vela.known_names import OWN_CONFIG, UnreadableError, known_names
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import ConfigurationError, nearest
from pytest_edgegate.core.target import Target

NAME = "vela"
_KEYS = ("accelerator", "system_config", "memory_mode", "config")


@dataclass(frozen=True)
class VelaOptions:
    """The table ``tool.vela`` of a target."""

    accelerator: str
    system_config: str
    memory_mode: str
    config: str = OWN_CONFIG
    """A file of Vela's own, as ``Arm/vela.ini``, or the path of another one."""

    @classmethod
    def of(cls, target: Target) -> VelaOptions:
        """Raises ConfigurationError for a table that Vela can't be run with."""
        given = target.tool_options.get(NAME, {})
        for key, value in given.items():
            if key not in _KEYS:
                raise _wrong(target, f"{key} is no option of vela{_meant(key)}")
            if not isinstance(value, str) or not value or value.startswith("-"):
                raise _wrong(target, f"{key} = {value!r} is not a name")
        missing = [key for key in _KEYS[:3] if key not in given]
        if missing:
            raise _wrong(target, f"{', '.join(missing)} missing")
        found = {key: str(value) for key, value in given.items()}
        own = _own_file(target, found.get("config", OWN_CONFIG))
        options = cls(**{**found, "config": own})
        options.check(target)
        return options

    def check(self, target: Target) -> None:
        """Raises ConfigurationError for a name that the installed Vela does not know."""
        try:
            known = known_names(self.config)
        except UnreadableError as error:
            raise _wrong(target, str(error)) from error
        for key, names in known.items():
            given = getattr(self, key)
            if given not in names:
                which = f"vela knows {', '.join(names)}" if names else "vela knows none there"
                raise _wrong(target, f"{key} = {given!r}{nearest(given, names)} {which}")

    def as_key(self) -> Mapping[str, object]:
        """What of them decides Vela's answer: of a file, its content."""
        path = Path(self.config)
        config = file_digest(path) if path.is_absolute() else self.config
        return {
            "accelerator": self.accelerator,
            "system_config": self.system_config,
            "memory_mode": self.memory_mode,
            "config": config,
        }

    def as_arguments(self) -> list[str]:
        """The options of Vela's command line."""
        return [
            *("--accelerator-config", self.accelerator),
            *("--system-config", self.system_config),
            *("--memory-mode", self.memory_mode),
            *("--config", self.config),
        ]


def _meant(key: str) -> str:
    """A question for the closest option: by its letters, where its end would match ``config``."""
    close = get_close_matches(key, _KEYS, n=1)
    return nearest(key, close or _KEYS)


def _own_file(target: Target, config: str) -> str:
    """The absolute path of a file beside the user's targets; else the name of one of Vela's."""
    path = None if target.folder is None else (target.folder / config).resolve()
    if path is not None and path.is_file():
        return str(path)
    if config != OWN_CONFIG:
        where = "" if target.folder is None else f" in {target.folder}"
        raise _wrong(target, f"config = {config!r} is no file{where}")
    return config


def _wrong(target: Target, fault: str) -> ConfigurationError:
    where = f" ({target.origin})" if target.origin else ""
    return ConfigurationError(
        f"target {target.name!r}{where}: tool.vela: {fault}",
        'write accelerator = "ethos-u55-128", system_config and memory_mode as sections of the '
        "config file name them, and config = the path of that file beside pyproject.toml, or leave "
        f"it out for Vela's own {OWN_CONFIG} (vela --list-configs {OWN_CONFIG} shows its sections)",
    )
