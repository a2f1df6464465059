"""Names the way to feed samples that gives back what a model lost, or what was excluded."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.layout import Axes
from pytest_edgegate.data.encodings import grouped
from pytest_edgegate.measures.tries import Lift, Tries

_MOST_SHOWN = 6
_GIVEN = "{which}give edge_data samples as {code}"
_DEFINED = (
    (
        "std",
        "mean and std are np.array((0.485, 0.456, 0.406)) and np.array((0.229, 0.224, 0.225))",
    ),
    ("bgr_mean", "bgr_mean is np.array((103.939, 116.779, 123.68))"),
)
"""What names in the code stand for."""


def of_file(found: Tries, *, made: bool, axes: Axes = None) -> Diagnosis:
    """The cause of a file's lost accuracy.

    *made*: whether the gate made the file. *axes*: the transposition that brings the samples to
    the axes of a third-party file. The code is for the samples as they are in edge_data; a device
    has to transpose them, too.
    """
    if made:
        return _told(found, "the artifact", _GIVEN)
    if axes is None or found.lift is None:
        made_for = "the file was made for {code}: {which}feed it so, here and on the device"
    else:
        codes = (found.lift.code, *(each.code for each in found.lift.rivals))
        device = " or ".join(f"{grouped(each)}.transpose{axes}" for each in codes)
        made_for = (
            "the file was made for {code}, where x has the axes of edge_data: {which}feed it so "
            f"here, and on the device in the axes of the file, as {device}"
        )
    return _told(found, "the file", f"{made_for}, or make it again for the samples of edge_data")


def of_model(found: Tries) -> Diagnosis:
    """The cause of a reference that is no better than chance."""
    return _told(found, "it", _GIVEN)


def _told(found: Tries, who: str, remedy: str) -> Diagnosis:
    if not found.tried:
        return Diagnosis()
    lift = found.lift
    if lift is None:
        return Diagnosis((_excluded(found),))
    reached = _reached(lift, who) + _or_with(lift)
    if not lift.proven:
        return Diagnosis((f"{reached}, which is not enough to prove that this is the cause",))
    codes = [lift.code, *(each.code for each in lift.rivals)]
    which = "find out which from the code that trained the model, and " if lift.rivals else ""
    return Diagnosis(
        cause=reached,
        remedy=remedy.format(code=" or ".join(map(_defined, codes)), which=which),
    )


def _or_with(lift: Lift) -> str:
    """The other ways that these samples can't tell from the first."""
    if not lift.rivals:
        return ""
    named = " and ".join(f"with {each.name} ({each.value:.3g})" for each in lift.rivals)
    return f"; it does about as well {named}, and these samples can't tell which is right"


def _reached(lift: Lift, who: str) -> str:
    model = "" if lift.reference is None else f", the model {lift.reference:.3g}"
    return (
        f"with {lift.name} {who} reaches {lift.value:.3g} (it has {lift.as_fed:.3g}{model}) on "
        f"{lift.n} random samples"
    )


def _defined(code: str) -> str:
    """The code with what its names stand for."""
    told = next((meaning for name, meaning in _DEFINED if name in code), "")
    return f"{code} ({told})" if told else code


def _excluded(found: Tries) -> str:
    shown = ", ".join(found.tried[:_MOST_SHOWN])
    more = len(found.tried) - _MOST_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"excluded on {found.n} random samples, since none of them regains half of the loss: "
        f"{shown}{rest} in place of x"
    )
