"""Entries of what was accepted: their text, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure, Entry
from pytest_edgegate.core.errors import ConfigurationError

FIGURE = AcceptedFigure(0.986, "host:litert-xnnpack", 1000, {"ai-edge-litert": "2.3.0"}, ("avx2",))
ARTIFACT = AcceptedArtifact(
    recipe=("PTQ(samples=200)",),
    path="",
    model="aa" * 32,
    data="bb" * 32,
    format="litert",
    sha256="cc" * 32,
    size_bytes=56_440,
    operators={"CONV_2D": 3, "FULLY_CONNECTED": 1},
    figures={"top1": FIGURE, "size": AcceptedFigure(56_440, "file")},
    scores={"top1": "0.top1"},
)
TEST, TARGET = "tests/test_edge.py::test_ptq[coral]", "coral"
ENTRY = Entry(TEST, TARGET, (ARTIFACT,), "dd" * 32)
PLACE = "edge-baseline/tests/test_edge/test_ptq[coral].json"


def read(text: str) -> Entry:
    return Entry.read(text, TEST, TARGET, PLACE)


def test_an_entry_is_the_same_after_a_round_trip() -> None:
    assert read(ENTRY.spelt()) == ENTRY
    assert read(ENTRY.spelt()).spelt() == ENTRY.spelt()
    assert read(replace(ENTRY, side="").spelt()).side == ""


def test_its_text_has_sorted_keys_and_one_value_a_line() -> None:
    text = ENTRY.spelt()
    document = json.loads(text)
    assert list(document) == sorted(document)
    assert text.endswith("}\n")
    assert all(line.count('": "') + line.count('": 0') <= 1 for line in text.splitlines())
    assert not re.search(r"20\d\d-\d\d-\d\d|/root|/home", text)


def test_the_order_of_artifacts_changes_nothing() -> None:
    other = replace(ARTIFACT, recipe=(), path="build/m.tflite")
    one, two = (Entry(TEST, TARGET, each) for each in ((ARTIFACT, other), (other, ARTIFACT)))
    assert one.spelt() == two.spelt()
    assert one.artifact("build/m.tflite") == other
    assert one.artifact("PTQ(samples=200)") == ARTIFACT
    assert one.artifact("PTQ(samples=100)") is None


def merged(mine: str, theirs: str) -> str:
    return f"<<<<<<< HEAD\n{mine}=======\n{theirs}>>>>>>> other\n"


def with_other_figures(text: str) -> str:
    """Another entry's artifact under the name of this one, as a wrong merge leaves it."""
    document = json.loads(text)
    document["artifacts"][0]["figures"]["top1"]["value"] = 0.5
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (merged(ENTRY.spelt(), ENTRY.spelt()), "has conflict markers"),
        (with_other_figures(ENTRY.spelt()), "does not fit its digest"),
        (
            ENTRY.spelt().replace('"size_bytes": 56440', '"size_bytes": 1'),
            "does not fit its digest",
        ),
        (ENTRY.spelt().replace('"schema": 1', '"schema": 2'), "is of schema 2"),
        (ENTRY.spelt()[:200], "can't be read"),
        ("[" * 100_000, "can't be read"),
        ("[]", "holds no entry"),
        (ENTRY.spelt().replace("56440", "NaN"), "can't be read"),
        (ENTRY.spelt().replace('"schema": 1', '"schema": 1, "schema": 1'), "a key is there twice"),
        ("{}", "has no key 'schema'"),
        (
            Entry("tests/test_edge.py::test_old[coral]", TARGET, (ARTIFACT,)).spelt(),
            "its test renamed",
        ),
        (Entry(TEST, "host", (ARTIFACT,)).spelt(), "on host"),
    ],
    ids=str,
)
def test_what_is_no_entry_of_the_test_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as raised:
        read(text)
    assert raised.value.remedy


def test_a_renamed_test_is_told_to_accept_again() -> None:
    moved = Entry("tests/test_edge.py::test_old[coral]", TARGET, (ARTIFACT,)).spelt()
    with pytest.raises(ConfigurationError) as raised:
        read(moved)
    assert "--edge-accept" in raised.value.remedy
