"""Remedies by what made an artifact: a third party, or a recipe of the gate."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.recipe import Recipe, Step, distils
from pytest_edgegate.measures.providers import File

_AGAIN = (
    "make the file again, of the model under test as it is now: a float file answers as its model "
    "does, and nothing in it was calibrated"
)
GIVEN = "given"
"""The key of remedies for third-party files."""


def by_making(artifact: Artifact, remedies: Mapping[str, str]) -> str:
    """The remedy for ``GIVEN``, or for the dtype of an artifact of the gate; empty if none fits."""
    return remedies.get((artifact.dtype or "") if artifact.made else GIVEN, "")


def closer_outputs(file: File, *, listed: bool) -> str:
    """The remedy for outputs that differ from those of the model under test.

    *listed*: the verdict lists the samples concerned.
    """
    artifact, samples = file.artifact, "look at the wrong answers, and " if listed else ""
    if not artifact.made and file.description().is_float:
        return f"{samples}{_AGAIN}"
    if not artifact.made:
        return (
            f"{samples}look at how the file was made: calibrate it there on more samples, "
            "including ones like those of the evaluation, or let edge_ptq make it"
        )
    recipe = artifact.recipe
    learning = [each for each in recipe if each.trains]
    calibrating = [each for each in recipe if each.calibration_samples]
    if learning:
        remedy = _train_on(learning[-1])
    elif calibrating:
        remedy = f"{samples}{_calibrate_on(calibrating[-1], artifact)}"
    else:
        remedy = f"{samples}gate export_error, which compares the outputs: nothing was calibrated"
    return "; or ".join((remedy, *_less_compression(recipe)))


def _calibrate_on(step: Step, artifact: Artifact) -> str:
    more = "calibrate on more samples, including ones like those of the evaluation"
    used = len(artifact.provenance.get("calibration_samples") or ())
    if 0 < used < (step.calibration_samples or 0):
        return f"{more}: edge_data.calibration has only {used:,}, and {step} takes more"
    better = step.for_more_samples()
    enough = "" if better is None else ", and as many in edge_data.calibration"
    return f"{more}{_in_place(step, better)}{enough}"


def _train_on(step: Step) -> str:
    rate = "" if step.learning_rate is None else f" than {step.learning_rate:g}"
    longer = _in_place(step, step.for_twice_the_epochs())
    return f"train longer, or with another learning rate{rate}{longer}"


def _in_place(step: Step, better: Step | None) -> str:
    return f" in {step}" if better is None else f": {better} in place of {step}"


def _less_compression(recipe: Recipe) -> list[str]:
    larger = ["give a larger edge_student"] if distils(recipe) else []
    return [*larger, "prune less"] if _pruning(recipe) else larger


def before(step: Step) -> str:
    """The remedy for a step that lost too much before the last one."""
    ways = ["prune less"] if step.removes_filters else []
    if step.has_teacher:
        ways.append("give a larger edge_student")
    longer = _in_place(step, step.for_twice_the_epochs())
    return ", or ".join((*ways, f"train longer in that step{longer}"))


def in_order(artifact: Artifact) -> str:
    """The remedy for outputs of one shape that changed places."""
    if not artifact.made:
        return "export the outputs in the order and under the names that the model has"
    if distils(artifact.recipe):
        return "give edge_student its outputs in the order and under the names that edge_model has"
    return "give each output of the model a name of its own, or gate it in another format"


def fewer_filters(recipe: Recipe) -> str:
    """How a recipe that prunes or distils gives fewer filters; empty for any other."""
    pruning = _pruning(recipe)
    ways = ["give edge_student fewer filters"] if distils(recipe) else []
    if pruning is not None:
        ways.insert(0, f"prune more than {pruning}")
    return ", or ".join(ways)


def _pruning(recipe: Recipe) -> Step | None:
    return next((each for each in recipe if each.removes_filters), None)


def in_int8(file: File) -> str:
    """How a float artifact of the gate becomes int8; empty for any other, and if it may not."""
    artifact = file.artifact
    floats = artifact.made and (artifact.dtype or "").startswith("float")
    if not floats or "int8" not in file.target.dtypes:
        return ""
    cast = _conversion(artifact.recipe)
    return "add PTQ() to the recipe" if cast is None else f"write PTQ() in place of {cast}"


def in_float16(file: File) -> str:
    """How a file that should be int8 becomes float16; empty if the target takes none."""
    if "float16" not in file.target.dtypes:
        return ""
    step = _conversion(file.artifact.recipe)
    if step is None:
        return "let edge_recipe(Cast('float16')) make the file"
    return f"write Cast('float16') in place of {step}"


def _conversion(recipe: Recipe) -> Step | None:
    return next((each for each in recipe if each.changes_dtype), None)
