"""Mutants of the gate's own logic, each run against the tests that reach its line.

    python tests/mutants/mutants.py cover --folder F [TESTS ...]   which test reaches which line
    python tests/mutants/mutants.py draw --folder F --count 120    some of cosmic-ray's mutants
    python tests/mutants/mutants.py run --folder F                 goes on where it was stopped
    python tests/mutants/mutants.py tell --folder F

To see whether other tests see as much: commit them over the same source, ``cover --folder G``,
``draw --folder G --died-in F`` takes those that the tests of F have found, and ``tell --folder G
--died-in F`` exits with 1 where one of them lives. Mutants are made in a copy of the last commit;
what lives after a minute of tests counts as alive. Before the first one, tests of the lines that
differ have to pass without any: what fails anyway would find every mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MUTATED = ("judge.py", "planner.py", "gate.py", "settings", "session", "storage")
"""Below ``pytest_edgegate``."""
MUTANT_SECONDS = 60
BASELINE = 60
"""How many tests are run without a mutant first."""
_SESSION, _COVERING, _COMMIT, _TREE = "session.sqlite", "covering.json", "commit.txt", "tree"
_ALIVE, _BROKEN = "lives", "broken"
_NOT_RUN = 5
"""The exit status of a pytest that ran no test."""


def cover(folder: Path, tests: list[str]) -> None:
    """Runs *tests*, and keeps by line which of them reach it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "coverage.ini"
    settings.write_text(
        "[run]\nparallel = true\nbranch = false\nconcurrency = thread\n"
        f"source = pytest_edgegate\ndata_file = {folder / '.coverage'}\n"
        "context = ${EDGEGATE_CONTEXT-none}\ndisable_warnings = no-data-collected\n"
    )
    for old in folder.glob(".coverage*"):
        old.unlink()
    environment = {
        **os.environ,
        "EDGEGATE_COVERING": str(folder),
        "COVERAGE_PROCESS_START": str(settings),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(ROOT)]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "covering", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit("the tests fail as they are")
    with (folder / _COVERING).open("w") as opened:
        json.dump(_covering(folder), opened)
    (folder / _COMMIT).write_text(_git("rev-parse", "HEAD"))


def _git(*arguments: str, cwd: Path = ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout.strip()


def _covered_commit(folder: Path) -> str:
    """The commit whose lines are covered; ends where there is none, or another one is here."""
    if not (folder / _COVERING).exists():
        sys.exit(f"{folder} has no {_COVERING}: run cover first")
    commit = (folder / _COMMIT).read_text()
    if commit != _git("rev-parse", "HEAD") or _git("status", "--porcelain", "-uno"):
        sys.exit(f"{folder} covers {commit}, which is not what is here: check it out, or cover")
    return commit


def _covering(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Tests by file and line."""
    import coverage

    whole = coverage.Coverage(data_file=str(folder / ".coverage"), config_file=False)
    whole.combine([str(folder)], keep=True)
    data = whole.get_data()
    looked_at = defaultdict(set)
    for path in folder.glob("runs-*.jsonl"):
        for line in path.read_text().splitlines():
            test, runs = json.loads(line)
            for run in runs:
                looked_at[run].add(test)
    found: dict[str, dict[str, list[str]]] = {}
    for file in data.measured_files():
        name = Path(file).relative_to(ROOT).as_posix()
        if not name.removeprefix("pytest_edgegate/").startswith(MUTATED):
            continue
        found[name] = {
            str(line): sorted(_tests(contexts, looked_at))
            for line, contexts in data.contexts_by_lineno(file).items()
        }
    return found


def _tests(contexts: Iterable[str], looked_at: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for context in contexts:
        for each in context.split("|"):
            found |= looked_at.get(each, {each})
    return {each for each in found if "::" in each}


def draw(folder: Path, count: int, seed: int, before: Path | None) -> None:
    """A session of cosmic-ray with some mutants of lines that tests reach."""
    from cosmic_ray.work_db import use_db

    session = folder / _SESSION
    folder.mkdir(parents=True, exist_ok=True)
    session.unlink(missing_ok=True)
    commit = _covered_commit(folder)
    if before is not None:
        mutated = [f"pytest_edgegate/{each}" for each in MUTATED]
        if _git("diff", "--name-only", (before / _COMMIT).read_text(), commit, "--", *mutated):
            sys.exit("the source differs from that of --died-in: its mutants would be others here")
        shutil.copy(before / _SESSION, session)
        died = {job for job, lives in _results(before).items() if not lives}
        _keep_only(session, died)
        print(f"{len(died)} mutants")
        return
    covering = json.loads((folder / _COVERING).read_text())
    _cosmic_ray(folder, "init")
    with use_db(session) as opened:
        reached = [
            item.job_id
            for item in sorted(opened.work_items, key=_place)
            if covering.get(item.mutations[0].module_path.as_posix(), {}).get(
                str(item.mutations[0].start_pos[0])
            )
        ]
    chosen = random.Random(seed).sample(reached, count)
    _keep_only(session, set(chosen))
    print(f"{count} of {len(reached)} mutants of lines that tests reach")


def _place(item: Any) -> tuple[Any, ...]:
    first = item.mutations[0]
    return (
        first.module_path.as_posix(),
        first.start_pos,
        first.operator_name,
        first.occurrence,
        json.dumps(first.operator_args),
    )


def _keep_only(session: Path, chosen: set[str]) -> None:
    from cosmic_ray.work_db import use_db

    with use_db(session) as opened:
        kept = [item for item in opened.work_items if item.job_id in chosen]
        opened.clear()
        opened.add_work_items(kept)


def run(folder: Path) -> None:
    """Runs what has not run yet."""
    commit = _covered_commit(folder)
    tree = folder / _TREE
    if not tree.exists():
        _git("clone", "--quiet", "--shared", str(ROOT), str(tree))
    # A mutant that is left by a run that was stopped is undone here.
    _git("checkout", "--quiet", "--force", commit, cwd=tree)
    _baseline(folder)
    _cosmic_ray(folder, "exec")


def _baseline(folder: Path) -> None:
    """Ends where tests of the mutated lines are not found in the copy, or fail without a mutant."""
    from cosmic_ray.work_db import use_db

    covering = json.loads((folder / _COVERING).read_text())
    with use_db(folder / _SESSION) as opened:
        places = [
            (each.mutations[0].module_path.as_posix(), str(each.mutations[0].start_pos[0]))
            for each in opened.pending_work_items
        ]
    asked = sorted({test for file, line in places for test in covering.get(file, {}).get(line, ())})
    if not asked:
        return
    some = random.Random(0).sample(asked, min(BASELINE, len(asked)))
    for tests, options in ((asked, ("--collect-only",)), (some, ())):
        if _pytest(folder, tests, *options).wait():
            sys.exit("the tests fail without a mutant: look at what they say above")


def _cosmic_ray(folder: Path, action: str) -> None:
    tree = folder / _TREE
    config = folder / "cosmic-ray.toml"
    package = Path("pytest_edgegate")
    command = f"{sys.executable} {Path(__file__).resolve()} try --folder {folder}"
    config.write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps([str(package / each) for each in MUTATED])}\n"
        f"timeout = {MUTANT_SECONDS + 60}\nexcluded-modules = []\n"
        f"test-command = {json.dumps(command)}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    given = [str(config), str(folder / _SESSION)]
    subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", action, *given],
        cwd=tree if action == "exec" else ROOT,
        check=True,
    )


def attempt(folder: Path) -> None:
    """Called by cosmic-ray in the mutated copy: the tests that reach the lines that differ."""
    covering = json.loads((folder / _COVERING).read_text())
    tests: set[str] = set()
    for name, line in _changed():
        tests.update(covering.get(name, {}).get(str(line), ()))
    if not tests:
        print(f"{_ALIVE}: no test reaches it")
        return
    ordered = sorted(tests, key=lambda test: (not test.startswith("tests/unit"), test))
    started = time.monotonic()
    running = _pytest(folder, ordered, "-x")
    try:
        status = running.wait(MUTANT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, 9)
        running.wait()
        print(f"{_ALIVE}: still after {MUTANT_SECONDS} s")
        return
    broken = f"{_BROKEN}: " if status == _NOT_RUN else ""
    print(f"{broken}{len(ordered)} tests, {time.monotonic() - started:.0f} s, status {status}")
    sys.exit(status)


def _pytest(folder: Path, tests: list[str], *options: str) -> subprocess.Popen[bytes]:
    """A pytest in the copy that has begun with these tests."""
    asked = folder / "asked.txt"
    asked.write_text("\n".join(tests))
    tree = folder / _TREE
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    return subprocess.Popen(
        [*command, *options, f"@{asked}"],
        env={**os.environ, "PYTHONPATH": str(tree)},
        start_new_session=True,
        cwd=tree,
    )


def _changed() -> Iterator[tuple[str, int]]:
    """Files and lines that the mutant changes, as they are without it."""
    difference = subprocess.run(
        ["git", "diff", "--no-ext-diff", "-U0"], capture_output=True, text=True, check=True
    ).stdout
    name = ""
    for line in difference.splitlines():
        if line.startswith("--- a/"):
            name = line.removeprefix("--- a/")
        hunk = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
        if hunk:
            first, count = int(hunk[1]), int(hunk[2] or 1)
            yield from ((name, each) for each in range(first, first + max(1, count)))


def _results(folder: Path) -> dict[str, bool]:
    """Whether a mutant lives, by its name, of those that tests were run on."""
    from cosmic_ray.work_db import use_db

    with use_db(folder / _SESSION) as opened:
        ended = {item.job_id: _outcome(result) for item, result in opened.completed_work_items}
    return {name: outcome == _ALIVE for name, outcome in ended.items() if outcome != _BROKEN}


def _outcome(result: Any) -> str:
    """``lives``, ``died``, or ``broken`` where no test has decided it."""
    from cosmic_ray.work_item import TestOutcome

    if result.test_outcome == TestOutcome.SURVIVED:
        return _ALIVE
    decided = re.search(r"^\d+ tests, \d+ s, status [1-9]", str(result.output), re.MULTILINE)
    return "died" if decided else _BROKEN


def tell(folder: Path, before: bool) -> None:
    """How many live, and which."""
    from cosmic_ray.work_db import use_db

    with use_db(folder / _SESSION) as opened:
        done = sorted(opened.completed_work_items, key=lambda each: _place(each[0]))
        waiting = opened.num_work_items - len(done)
    counted = Counter(_outcome(result) for _, result in done)
    for item, result in done:
        if (outcome := _outcome(result)) == "died":
            continue
        first = item.mutations[0]
        said = str(result.output).strip().splitlines()[-1:]
        print(f"{outcome}: {first.module_path}:{first.start_pos[0]} {first.operator_name} {said}")
    print(
        f"{len(done)} mutants, {counted['died']} died, {counted[_ALIVE]} live, "
        f"{counted[_BROKEN]} broken, {waiting} wait"
    )
    sys.exit(bool(waiting or counted[_BROKEN] or (before and counted[_ALIVE])))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("action", choices=["cover", "draw", "run", "try", "tell"])
    options.add_argument("tests", nargs="*", help="of cover: those to run")
    options.add_argument("--folder", type=Path, default=Path(".mutants"))
    options.add_argument("--count", type=int, default=120)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--died-in", type=Path)
    given = options.parse_intermixed_args()
    folder = given.folder.resolve()
    if given.action == "cover":
        cover(folder, given.tests or ["tests/unit", "tests/contract"])
    elif given.action == "draw":
        draw(folder, given.count, given.seed, given.died_in)
    elif given.action == "run":
        run(folder)
    elif given.action == "try":
        attempt(folder)
    else:
        tell(folder, given.died_in is not None)


if __name__ == "__main__":
    main()
