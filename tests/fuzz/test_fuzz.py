"""Some broken files of every format, the same ones every time; ``make fuzz`` tries many."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import warm_python
from fuzzing import alarm
from fuzzing.campaign import Tally, Worker, campaign, innermost
from fuzzing.cases import Case
from fuzzing.faults import archives
from fuzzing.formats import formats
from fuzzing.outcomes import BAD, Kind, Result

SEED = 0
NUMBERS = (*range(80), 100, 200)
"""So many that each fault is in some input of every format, and a third seed as it is."""
OPENED = {
    "target": None,
    "npz": None,
    "cache": 10,
    "onnx": 12,
    "tflite": 16,
    "openvino": 6,
    "pt2": 6,
    "keras": 4,
    "h5": 4,
    "savedmodel": 4,
}
"""How many of them runtimes and frameworks open, where that takes long; all are vetted."""
WORKER = "from fuzzing.worker import main; main()"
TENSORFLOW = ("keras", "h5", "savedmodel")
"""One process takes these, which import it; another one the rest, at the same time."""


class Campaigns:
    """All that is asked for, in two processes beside each other."""

    def __init__(self, wanted: list[str]) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._results: dict[str, list[Result]] = {each: [] for each in wanted}
        groups = [
            [each for each in wanted if (each in TENSORFLOW) is heavy] for heavy in (True, False)
        ]
        self._found: dict[str, Future[dict[str, Tally]]] = {}
        for group in filter(None, groups):
            future = self._pool.submit(self._through, group)
            self._found |= dict.fromkeys(group, future)

    def _through(self, group: list[str]) -> dict[str, Tally]:
        with Worker(group, python=warm_python.command(WORKER)) as worker:
            return {
                form: campaign(
                    worker,
                    form,
                    SEED,
                    NUMBERS,
                    opened=OPENED[form],
                    told=self._results[form].append,
                )
                for form in group
            }

    def tally(self, form: str) -> Tally:
        return self._found[form].result()[form]

    def results(self, form: str) -> list[Result]:
        self.tally(form)
        return self._results[form]

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture(scope="session")
def campaigns(request: pytest.FixtureRequest) -> Iterator[Campaigns]:
    asked = {
        item.callspec.params["form"]
        for item in request.session.items
        if "campaigns" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")
    }
    made = Campaigns([form for form in OPENED if form in asked])
    yield made
    made.close()


def told(results: list[Result], form: str) -> str:
    """What a failure of a test shows: each input with the way to see it again."""
    return "\n" + "\n".join(
        f"{each.kind}: {each.text}\n  python tests/fuzz --reproduce {form}:{SEED}:{each.number}"
        for each in results
    )


@pytest.mark.parametrize("form", OPENED)
def test_no_input_ends_in_anything_but_an_error_of_ours_or_a_verdict(
    campaigns: Campaigns, form: str
) -> None:
    """A crash inside a native library is counted apart: a process of its own will end those."""
    tally = campaigns.tally(form)
    bad = [each for each in tally.bad if each.kind in BAD]
    assert not bad, told(bad, form)
    assert tally.counts.total() == len(NUMBERS)
    assert tally.counts[Kind.CLEAR], "something of what is broken can't be taken"


@pytest.mark.parametrize("form", OPENED)
def test_every_kind_of_fault_is_in_some_input(form: str) -> None:
    given = formats()[form]
    drawn = {step.name for number in NUMBERS for step in Case(given, SEED, number).steps()}
    assert drawn == {each.__name__ for each in (*given.structured, *given.bytewise)}


@pytest.mark.parametrize("form", OPENED)
def test_a_seed_as_it_is_is_taken(campaigns: Campaigns, form: str) -> None:
    """Else all of the above could be refused for what every file has."""
    healthy = [
        each
        for each in campaigns.results(form)
        if not Case(formats()[form], SEED, each.number).steps()
    ]
    assert len(healthy) == 3
    refused = [each for each in healthy if each.kind is not Kind.VERDICT]
    assert not refused, told(refused, form)


def test_the_fuzzer_sees_what_a_gate_must_not_do() -> None:
    with Worker(["alarm"], hang=2) as worker:
        found = list(worker.tried("alarm", 0, range(len(alarm.WAYS))))
    assert {alarm.WAYS[each.number]: each.kind for each in found} == {
        "fine": Kind.VERDICT,
        "refused": Kind.CLEAR,
        "traceback": Kind.TRACEBACK,
        "without a remedy": Kind.UNCLEAR,
        "writes": Kind.WROTE,
        "crashes": Kind.CRASH,
        "hangs": Kind.HANG,
        "leaves": Kind.CRASH,
        "interrupted": Kind.TRACEBACK,
    }
    assert [each.text for each in found if each.kind is Kind.CRASH] == ["SIGSEGV", "exit status 3"]


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        (
            ["lib/python3.11/io.py", "site-packages/h5py/_hl/attrs.py", "pytest_edgegate/a.py"],
            "h5py/_hl/attrs.py:7",
        ),
        (
            ["lib/python3.11/json.py", "x/pytest_edgegate/a.py", "site-packages/h5py/b.py"],
            "pytest_edgegate/a.py:7",
        ),
        ([], "keras/c.py:7"),
    ],
)
def test_a_crash_is_named_by_the_innermost_package(frames: list[str], place: str) -> None:
    """A library's own thread has no line of Python: then it is who waits for it."""
    said = "\n".join(f'  File "/{each}", line 7 in f' for each in frames) or "  <no Python frame>"
    waiting = 'Thread 2:\n  File "/site-packages/keras/c.py", line 7 in g\n'
    assert innermost(f"{waiting}\nCurrent thread 1:\n{said}\n\n{waiting}") == place


@pytest.mark.parametrize("form", ["npz", "target", "openvino", "pt2", "keras", "onnx", "tflite"])
def test_an_input_is_the_same_wherever_it_is_made(form: str) -> None:
    for number in range(1, 12):
        one, other = (Case(formats()[form], SEED, number).make() for _ in range(2))
        assert one == other


def test_an_archive_is_repacked_with_nothing_lost() -> None:
    seed = formats()["keras"].seeds[0]
    members = archives.unpacked(seed.files[seed.main])
    assert archives.unpacked(archives.packed(members)) == members


def test_a_bomb_is_small_and_unpacks_to_what_its_directory_says() -> None:
    seed = formats()["npz"].seeds[0]
    made = archives.bomb(seed.files[seed.main], random.Random(0))
    assert len(made) < 500_000
    with pytest.raises(ValueError, match="bomb"):
        archives.unpacked(made)
