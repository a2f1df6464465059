"""Files that were compiled for a chip, where a target takes another format."""

from __future__ import annotations

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.compiled import elsewhere
from pytest_edgegate.planner import no_road
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.intake.foreign_files import ForeignInspector
from pytest_edgegate.session.intake.taken_in import ready
from pytest_edgegate.spelling import spell_choice, spell_format


def refuse_compiled(model: SourceModel, target: Target, registry: Registry) -> None:
    """Raises UnsupportedError for a compiled file that no move brings to a format of the target.

    That it is compiled weighs more than its format: its own format has no use for it here either.
    """
    nowhere = no_road(model, target, registry.all("transform"))
    if nowhere is None or model.path is None:
        return
    inspectors = registry.all("inspector").values()
    inspector = next((each for each in inspectors if model.node[0] in each.formats), None)
    if inspector is None:
        return
    compiled = ForeignInspector(inspector).describe(ready(model).files[0]).compiled
    if compiled is not None:
        wanted = spell_choice([spell_format(each) for each in target.formats])
        raise UnsupportedError(
            f"{model.path.name} is compiled for {compiled.chip}: no CPU runs it, and "
            f"{target.name} takes {wanted}",
            f"{nowhere.remedy}; or {elsewhere(compiled)}",
        )
