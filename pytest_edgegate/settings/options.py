"""Command-line options and ini keys."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError, UnreadableFileError
from pytest_edgegate.settings.actions import add_actions
from pytest_edgegate.settings.ini_values import PROGRAMS, TIMES

if TYPE_CHECKING:
    from pytest_edgegate.core.budget import Budget
    from pytest_edgegate.core.rules import Rules
    from pytest_edgegate.registry import Registry

GROUP = "edgegate"
"""The options of the plugin in pytest's help."""
DEFAULT_TARGET = "host"
_MOST_BYTES = 10_000_000
"""The largest size of a pyproject.toml in bytes."""
_MAY_BE_ZERO = ("edge_latency_floor", "edge_early_after")
RUN = "edge_run"
"""The key of a run's name among what pytest-xdist tells a worker."""
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
    group = parser.getgroup(
        GROUP,
        "edgegate: compressed models for edge devices (documentation: README.md and docs/ of "
        "pytest-edgegate)",
    )
    built_in = ", ".join(_built_in_targets())
    for name, metavar, text in (
        (
            "--edge-target",
            "NAME,...",
            f"targets to gate for: {built_in}, or your own (default: the ini's, else host)",
        ),
        ("--edge-policy", "POLICY", "point (default), lenient or strict: how accuracy is decided"),
        (
            "--edge-allow-unmeasured",
            "[TARGET:]METRIC,...",
            "budgets that stay green when they could not be measured",
        ),
        ("--edge-cache", "FOLDER", "where artifacts are kept (default: .edgegate_cache)"),
        ("--edge-export", "DIR", "put every artifact here under its test's name"),
        ("--edge-baseline", "DIR", "the accepted entries (default: edge-baseline)"),
        (
            "--edge-model",
            "FILE",
            "gate this model with no test file, on --edge-data or the fixture edge_data; on the "
            "command line, tests run beside it only where they are named",
        ),
        (
            "--edge-data",
            "FILE",
            "an .npz with x and y, or x_test and y_test (and x_calibration, x_train, y_train, "
            "groups; x.NAME for each of several inputs)",
        ),
        (
            "--edge-metric",
            "NAME",
            "top1 (default), topN, miou, map, map50, auc, mse or mae: the metric where no fixture "
            "edge_metric says another",
        ),
    ):
        group.addoption(name, metavar=metavar, help=text)
        parser.addini(name[2:].replace("-", "_"), text)
    parser.addini(
        "edge_regressions",
        "regressions of every gated artifact: accuracy = 0.005, size = 1.02, host:latency = 1.1",
        "linelist",
    )
    parser.addini(
        "edge_evidence",
        "vendor: figures of a chip that only the gate's own rules predict are not measured; "
        "coral = vendor for one target (default: predicted)",
        "linelist",
    )
    parser.addini("edge_accepted", "the folder of accepted files, for Git LFS (default: none)")
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
    parser.addini(
        "edge_report_samples",
        "keep small pictures of the samples that flipped in the reports",
        "bool",
        default=False,
    )
    parser.addini("edge_allow_code", "load model files that hold code", "bool", default=False)
    for name, (default, text) in TIMES.items():
        parser.addini(name, f"{text} (default: {default})", default=default)
    for name in PROGRAMS:
        parser.addini(f"edge_{name}", f"the program {name} (default: the one on PATH)")
    group.addoption(
        "--edge-list-targets", action="store_true", help="print the known targets and leave"
    )
    add_actions(group)
    group.addoption(
        "--edge-explain",
        action="store_true",
        help="run the fixtures, build nothing, print what each gate would do",
    )


def _built_in_targets() -> list[str]:
    """For the help alone: the names of the files, as starting pytest reads no target."""
    folder = Path(__file__).parents[1] / "targets"
    with suppress(OSError):  # the package is in a zip archive
        files = os.listdir(folder)
        return sorted(each.removesuffix(".toml") for each in files if each.endswith(".toml"))
    return []


def marker_lines(*, in_full: bool) -> list[str]:
    """What ``pytest --markers`` shows; *in_full*: with every budget and its unit."""
    if not in_full:
        return list(MARKERS.values())
    from pytest_edgegate.core.budget import BUDGETS

    budgets = ", ".join(f"{each.name} ({each.spelt_unit})" for each in BUDGETS.values())
    return [
        f"{line}. Budgets: {budgets}" if name == "edge_budget" else line
        for name, line in MARKERS.items()
    ]


class Settings(NamedTuple):  # a dataclass takes a millisecond more of every start of pytest
    """The validated values of all options and ini keys."""

    root: Path
    cache: Path
    export: Path | None = None
    """The folder for copies of all artifacts."""
    targets: tuple[str, ...] = (DEFAULT_TARGET,)
    policy: str = "point"
    allowed: frozenset[tuple[str | None, str]] = frozenset()
    model: Path | None = None
    data: Path | None = None
    metric: str = ""
    """The built-in metric that the user named; empty for none."""
    budgets: tuple[Budget, ...] = ()
    reference_check: bool = True
    input_check: bool = True
    explain: bool = False
    allow_code: bool = False
    report_samples: bool = False
    """Whether reports have pictures of samples."""
    programs: Mapping[str, str] = MappingProxyType({})
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
    baseline: Path = Path("edge-baseline")
    """The folder of the accepted entries."""
    accepted: Path | None = None
    """The folder of the accepted files."""
    regressions: tuple[tuple[str | None, Budget], ...] = ()
    """(target or None, budget) of every gated artifact."""
    evidence: tuple[tuple[str | None, str], ...] = ()
    """(target or None, what a figure of a chip that is not here has to rest on)."""
    update_baseline: bool = False
    run: str = ""
    """Of all processes of this run."""

    @classmethod
    def from_config(cls, config: pytest.Config, registry: Registry) -> Settings:
        """Raises ConfigurationError for an invalid value."""
        _check_keys(config)
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
        if config.getoption("edge_data") and model is None:
            raise ConfigurationError(
                "--edge-data is the data of --edge-model, and there is no model",
                "add --edge-model=model.keras; test files take their data from the fixture "
                "edge_data",
            )
        return cls(
            targets=targets,
            policy=policy,
            allowed=allowed,
            cache=writable(config, "edge_cache") or config.rootpath / ".edgegate_cache",
            export=_folder_to_fill(config, "edge_export"),
            model=model,
            data=data,
            metric=_text(config, "edge_metric"),
            budgets=_budgets(config),
            reference_check=bool(config.getini("edge_reference_check")),
            input_check=bool(config.getini("edge_input_check")),
            allow_code=bool(config.getini("edge_allow_code")),
            report_samples=bool(config.getini("edge_report_samples")),
            programs={name: str(config.getini(f"edge_{name}")) for name in PROGRAMS},
            explain=bool(config.getoption("edge_explain")),
            baseline=writable(config, "edge_baseline") or config.rootpath / "edge-baseline",
            accepted=_below_root(config, "edge_accepted"),
            regressions=_regressions(config, registry),
            evidence=_evidence(config, registry),
            update_baseline=bool(config.getoption("edge_update_baseline")),
            run=getattr(config, "workerinput", {}).get(RUN) or os.urandom(8).hex(),
            root=config.rootpath,
            **{name.removeprefix("edge_"): _time(config, name) for name in TIMES},
        )

    @property
    def candidates(self) -> Path:
        """The folder of what the last run of each test has found, for --edge-accept.

        Projects that share a cache, which then lies outside of them, have tests of the same names.
        """
        from pytest_edgegate.core.digests import text_digest

        root = self.root.absolute()
        if self.cache.absolute().is_relative_to(root):
            return self.cache / "candidates"
        return self.cache / "candidates" / text_digest(str(root))[:16]

    @property
    def compares(self) -> bool:
        """Whether anything is accepted, or may be soon."""
        asked = bool(self.update_baseline or self.regressions)
        return asked or self.baseline.is_dir() or (self.cache / "candidates").is_dir()

    @property
    def rules(self) -> Rules:
        from pytest_edgegate.core.rules import Rules

        return Rules(self.policy, self.allowed)


def _check_keys(config: pytest.Config) -> None:
    """Rejects ini keys that begin as the gate's do and that nobody knows.

    Most files have none of that beginning, and are looked at no further.
    """
    path, typed = config.inipath, config.getoption("override_ini") or ()
    content = b""
    if path is not None and path.is_file():
        with suppress(OSError):
            content = path.read_bytes()
    if b"edge" not in content and not any("edge" in each for each in typed):
        return
    from pytest_edgegate.settings.ini_keys import check_keys

    check_keys(config, content.decode("utf-8", "replace"))


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


def _regressions(
    config: pytest.Config, registry: Registry
) -> tuple[tuple[str | None, Budget], ...]:
    lines = config.getini("edge_regressions")
    if not lines:
        return ()
    from pytest_edgegate.settings.units import regressions_from_lines

    found = regressions_from_lines(lines, "ini edge_regressions")
    for target, _ in found:
        if target is not None:
            _known_target(target, config, registry)
    return found


def _evidence(config: pytest.Config, registry: Registry) -> tuple[tuple[str | None, str], ...]:
    lines = config.getini("edge_evidence")
    if not lines:
        return ()
    from pytest_edgegate.settings.evidence import evidence_from_lines

    found = evidence_from_lines(lines)
    for target, _ in found:
        if target is not None:
            _known_target(target, config, registry)
    return found


def _below_root(config: pytest.Config, name: str) -> Path | None:
    text = str(config.getini(name)).strip()
    return config.rootpath / text if text else None


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
    if not os.path.lexists(path):
        return False
    from pytest_edgegate.reading.regular import is_there, read_bytes

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
        from pytest_edgegate.reading.regular import is_there, regular_size

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
        from pytest_edgegate.reading.regular import is_there

        with _said_of(name):
            is_there(path)
    return path


def _folder_to_fill(config: pytest.Config, name: str) -> Path | None:
    """A folder that files are put into late, tried now: a run would be lost by a misspelt path."""
    if config.getoption(name) is not None and not str(config.getoption(name)).strip():
        raise ConfigurationError(f"--{name.replace('_', '-')} names no folder", "give a folder")
    path = writable(config, name)
    if path is not None:
        with _said_of(name):
            _try_to_fill(path)
    return path


def _try_to_fill(folder: Path) -> None:
    """Writes a file without a name where the folder is, or will be. Raises ConfigurationError."""
    from tempfile import TemporaryFile

    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise ConfigurationError(f"{there} is no folder", "give the path of a folder")
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{there} can't be written to: {error.strerror}", "give a folder that can be"
        ) from error


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """Prefixes errors about a path with its option."""
    try:
        yield
    except ConfigurationError as error:
        option = f"--{name.replace('_', '-')}"
        raise ConfigurationError(f"{option}: {error.message}", error.remedy) from error
