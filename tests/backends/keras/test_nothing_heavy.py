"""No framework is imported to tell what a path is, or to fetch and judge what is in the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from pytest_edgegate import EdgeData
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from pytest_edgegate import EdgeData, PTQ
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.given import Given
from pytest_edgegate.settings.options import Settings

HEAVY = ("tensorflow", "keras", "tf_keras", "h5py", "torch", "jax")
root = Path({root!r})
settings = Settings(root=root, cache=root / "cache")
session = EdgeSession(settings, Registry())
"""
RECOGNISE = """
for path in {paths!r}:
    model = session.recogniser.model(path)
    assert model.name
    assert len(model.digest()) == 64
    print(*model.node)
print(*[name for name in HEAVY if name in sys.modules])
"""
FETCH = """
with np.load(root / "data.npz") as data:
    given = EdgeData(calibration=data["x"][:20], evaluation=(data["x"][20:], data["y"][20:]))
coral = session.target("coral")
case = session.case(Given({path!r}, given), coral)
artifact = session.compress(case, (PTQ(),))
budgets = (Budget("accuracy_drop", 0.5), Budget("parity_agreement", 0.5))
verdicts = session.judge(case, artifact, budgets, contract=True)
print(artifact.cached, *[verdict.outcome for verdict in verdicts])
print(*[name for name in HEAVY if name in sys.modules])
"""


def lines_of(program: str, **values: object) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", program.format(**values)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_to_tell_what_a_path_is(
    saved: dict[str, Path], files: dict[str, Path], tmp_path: Path
) -> None:
    paths = [*map(str, saved.values()), str(files["uint8"]), str(files["float"])]
    *nodes, heavy = lines_of(PROGRAM + RECOGNISE, root=str(tmp_path), paths=paths)
    assert nodes == [
        "keras float32",
        "keras float32",
        "keras float32",
        "savedmodel float32",
        "litert int8",
        "litert float32",
    ]
    assert heavy == ""


def test_to_fetch_and_judge_what_is_in_the_cache(
    saved: dict[str, Path], small: object, tmp_path: Path
) -> None:
    x = np.random.default_rng(3).normal(size=(120, 6, 6, 2)).astype(np.float32)
    y = np.asarray(small(x)).argmax(axis=1)  # type: ignore[operator]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    settings = Settings(
        targets=("coral",),
        cache=tmp_path / "cache",
        root=tmp_path,
    )
    session = EdgeSession(settings, Registry())
    coral = session.target("coral")
    path = str(saved["keras"])
    subject = Given(path, EdgeData(calibration=x[:20], evaluation=(x[20:], y[20:])))
    artifact = session.compress(session.case(subject, coral), (PTQ(),))
    budgets = (Budget("accuracy_drop", 0.5), Budget("parity_agreement", 0.5))
    session.judge(session.case(subject, coral), artifact, budgets, contract=True)
    told, heavy = lines_of(PROGRAM + FETCH, root=str(tmp_path), path=path)
    assert told == "True pass pass pass"
    assert heavy == ""
