"""Command-line options and ini keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError, UnreadableFileError
from pytest_edgegate.reading.regular import is_there, read_bytes, regular_size
from pytest_edgegate.registry import Registry

if TYPE_CHECKING:
    from pytest_edgegate.core.budget import Budget
    from pytest_edgegate.core.rules import Rules

GROUP = "edgegate"
"""The options of the plugin in pytest's help."""
DEFAULT_TARGET = "host"
_MOST_BYTES = 10_000_000
"""The largest size of a pyproject.toml in bytes."""
PROGRAMS = ("onnx2tf",)
"""External converters; each may be located by an ini key."""
TIMES = {
    "edge_latency_time": ("20 s", "how long a latency may be measured before it is undecided"),
    "edge_latency_floor": ("20 us", "slow-downs below this are ignored"),
    "edge_bootstrap_time": ("20 s", "how long the bootstrap of an interval may take"),
    "edge_early_after": ("10 s", "an evaluation whose rest would take longer may end early"),
    "edge_runtime_timeout": ("120 s", "how long a runtime may take over one call in its process"),
}
"""Ini keys for times: the default and the help text."""
_MAY_BE_ZERO = ("edge_latency_floor", "edge_early_after")
POLICIES = ("point", "lenient", "strict")
MARKERS = {
    "edge_budget": "edge_budget(*targets, **budgets): limits that the artifact of the test holds, "
    "for the named targets only if any are named",
    "edge_recipe": "edge_recipe(*steps): how edge_artifact is compressed; a target's name as the "
    "first argument limits it to that target",
    "edge_targets": "edge_targets(*names): the targets that the test is for",
    "edge": "edge: carried by every test that edgegate touches",
}


def add_options(parser: pytest.Parser) -> None:
    """The options, and for each lasting one an ini key of the same name with underscores."""
    group = parser.getgroup(GROUP, "compressed models for edge devices")
    for name, metavar, text in (
        ("--edge-target", "NAME,...", "targets to gate for (default: the ini's, else host)"),
        ("--edge-policy", "POLICY", "point (default), lenient or strict: how accuracy is decided"),
        (
            "--edge-allow-unmeasured",
            "[TARGET:]METRIC,...",
            "budgets that stay green when they could not be measured",
        ),
        ("--edge-cache", "FOLDER", "where artifacts are kept (default: .edgegate_cache)"),
        ("--edge-model", "FILE", "with --edge-data: gate this model with no test file"),
        ("--edge-data", "FILE", "an .npz with x and y (and x_calibration, x_train, y_train)"),
    ):
        group.addoption(name, metavar=metavar, help=text)
        parser.addini(name[2:].replace("-", "_"), text)
    parser.addini("edge_budgets", "budgets of --edge-model: accuracy_drop = 0.01", "linelist")
    parser.addini(
        "edge_reference_check",
        "refuse a model under test that is no better than a constant answer",
        "bool",
        default=True,
    )
    parser.addini(
        "edge_input_check",
        "compare the evaluation values with what the quantised inputs of a file hold",
        "bool",
        default=True,
    )
    parser.addini("edge_allow_code", "load model files that hold code", "bool", default=False)
    for name, (default, text) in TIMES.items():
        parser.addini(name, f"{text} (default: {default})", default=default)
    for name in PROGRAMS:
        parser.addini(f"edge_{name}", f"the program {name} (default: the one on PATH)")
    group.addoption(
        "--edge-list-targets", action="store_true", help="print the known targets and leave"
    )
    group.addoption(
        "--edge-explain",
        action="store_true",
        help="run the fixtures, build nothing, print what each gate would do",
    )


@dataclass(frozen=True)
class Settings:
    """The validated values of all options and ini keys."""

    root: Path
    cache: Path
    targets: tuple[str, ...] = (DEFAULT_TARGET,)
    policy: str = "point"
    allowed: frozenset[tuple[str | None, str]] = frozenset()
    model: Path | None = None
    data: Path | None = None
    budgets: tuple[Budget, ...] = ()
    reference_check: bool = True
    input_check: bool = True
    explain: bool = False
    allow_code: bool = False
    programs: Mapping[str, str] = field(default_factory=dict)
    """The locations of external programs from ini keys."""
    latency_time: float = 20.0
    """Seconds."""
    latency_floor: float = 20e-6
    """Seconds."""
    bootstrap_time: float = 20.0
    """Seconds."""
    early_after: float = 10.0
    """Seconds."""
    runtime_timeout: float = 120.0
    """Seconds."""

    @classmethod
    def from_config(cls, config: pytest.Config, registry: Registry) -> Settings:
        """Raises ConfigurationError for an invalid value."""
        policy = _text(config, "edge_policy") or "point"
        if policy not in POLICIES:
            raise UnknownNameError("policy", policy, POLICIES)
        allowed = _allowed(config)
        targets = _targets(config, registry)
        for target, _ in allowed:
            if target is not None:
                _known_target(target, config, registry)
        model, data = _file(config, "edge_model"), _file(config, "edge_data")
        if model is not None:  # its items have no collector that could report a mistake
            for name in targets:
                _known_target(name, config, registry)
        if config.getoption("edge_model") and data is None:
            raise ConfigurationError(
                "--edge-model needs data to be gated on", "add --edge-data=eval.npz (keys x and y)"
            )
        return cls(
            targets=targets,
            policy=policy,
            allowed=allowed,
            cache=writable(config, "edge_cache") or config.rootpath / ".edgegate_cache",
            model=model,
            data=data,
            budgets=_budgets(config),
            reference_check=bool(config.getini("edge_reference_check")),
            input_check=bool(config.getini("edge_input_check")),
            allow_code=bool(config.getini("edge_allow_code")),
            programs={name: str(config.getini(f"edge_{name}")) for name in PROGRAMS},
            explain=bool(config.getoption("edge_explain")),
            root=config.rootpath,
            **{name.removeprefix("edge_"): _time(config, name) for name in TIMES},
        )

    @property
    def rules(self) -> Rules:
        from pytest_edgegate.core.rules import Rules

        return Rules(self.policy, self.allowed)


def _text(config: pytest.Config, name: str) -> str:
    """The option, or the ini key if the option is not given."""
    option: Any = config.getoption(name)
    return str(option if option is not None else config.getini(name)).strip()


def _time(config: pytest.Config, name: str) -> float:
    text = str(config.getini(name))
    default = TIMES[name][0]
    if text == default:  # spares the import of the parser at every start
        number, unit = default.split()
        return float(number) * {"s": 1.0, "us": 1e-6}[unit]
    from pytest_edgegate.settings.units import seconds_from

    return seconds_from(text, f"ini {name}", zero=name in _MAY_BE_ZERO)


def _allowed(config: pytest.Config) -> frozenset[tuple[str | None, str]]:
    text = _text(config, "edge_allow_unmeasured")
    if not text:
        return frozenset()
    from pytest_edgegate.settings.units import allowed_from

    return allowed_from(text)


def _budgets(config: pytest.Config) -> tuple[Budget, ...]:
    lines = config.getini("edge_budgets")
    if not lines:
        return ()
    from pytest_edgegate.settings.units import budgets_from_lines

    return budgets_from_lines(lines, "ini edge_budgets")


def _targets(config: pytest.Config, registry: Registry) -> tuple[str, ...]:
    names = [each.strip() for each in _text(config, "edge_target").split(",")]
    unique = tuple(dict.fromkeys(filter(None, names))) or (DEFAULT_TARGET,)
    if unique != (DEFAULT_TARGET,):  # spares reading entry points at every start
        for name in unique:
            _known_target(name, config, registry)
    _check_own(unique, config.rootpath, registry)
    return unique


def _check_own(names: tuple[str, ...], root: Path, registry: Registry) -> None:
    """Rejects broken targets of the user, also those that nobody selected: by a mistake in
    ``from``, one may not gate what its owner believes. Raises ConfigurationError."""
    if not _may_define_targets(root):
        return
    from pytest_edgegate.settings.boards import check_own

    check_own(root, registry, names)


def _may_define_targets(root: Path) -> bool:
    """Whether the pyproject.toml may have tables of targets; spares parsing it at most starts."""
    path = root / "pyproject.toml"
    try:
        content = read_bytes(path, _MOST_BYTES) if is_there(path) else b""
    except UnreadableFileError:
        return False  # a run without edge tests does not need it, others tell it
    return b"edgegate" in content and (b"targets" in content or b"edgegate." in content)


def _known_target(name: str, config: pytest.Config, registry: Registry) -> None:
    from pytest_edgegate.settings.boards import known_targets

    known = known_targets(config.rootpath, registry)
    if name not in known:
        raise UnknownNameError("target", name, known)


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path on the command line is relative to where pytest was started, in an ini to the root."""
    if config.getoption(name) is not None:
        return config.invocation_params.dir / str(config.getoption(name))
    text = _text(config, name)
    return config.rootpath / text if text else None


def _file(config: pytest.Config, name: str) -> Path | None:
    """A readable file, or for a model also a folder."""
    path = _path(config, name)
    if path is not None:
        with _said_of(name):
            if not is_there(path):
                raise ConfigurationError(f"{path} does not exist", "check the path")
            if name != "edge_model" or not path.is_dir():
                regular_size(path)
    return path


def writable(config: pytest.Config, name: str) -> Path | None:
    """A path for a report, checked early: too long a path could not be written at the end."""
    path = _path(config, name)
    if path is not None:
        with _said_of(name):
            is_there(path)
    return path


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """Prefixes errors about a path with its option."""
    try:
        yield
    except ConfigurationError as error:
        option = f"--{name.replace('_', '-')}"
        raise ConfigurationError(f"{option}: {error.message}", error.remedy) from error
