"""Names the way to feed samples that gives back what a model lost, or what was excluded."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.layout import Axes
from pytest_edgegate.data.encodings import grouped
from pytest_edgegate.measures.tries import Lift, Tries

_MOST_SHOWN = 6
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
        return _told(found, "the artifact", "give edge_data samples as {code}")
    if axes is None or found.lift is None:
        made_for = "the file was made for {code}: feed it so, here and on the device"
    else:
        device = f"{grouped(found.lift.code)}.transpose{axes}"
        made_for = (
            "the file was made for {code}, where x has the axes of edge_data: feed it so here, and "
            f"on the device in the axes of the file, as {device}"
        )
    return _told(found, "the file", f"{made_for}, or make it again for the samples of edge_data")


def of_model(found: Tries) -> Diagnosis:
    """The cause of a reference that is no better than chance."""
    return _told(found, "it", "give edge_data samples as {code}")


def _told(found: Tries, who: str, remedy: str) -> Diagnosis:
    if not found.tried:
        return Diagnosis()
    lift = found.lift
    if lift is None:
        return Diagnosis((_excluded(found),))
    if not lift.proven:
        return Diagnosis(
            (f"{_reached(lift, who)}, which is not enough to prove that this is the cause",)
        )
    return Diagnosis(cause=_reached(lift, who), remedy=remedy.format(code=_defined(lift.code)))


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
