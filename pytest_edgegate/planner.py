"""Finds the shortest chain of moves that performs a recipe and ends in the target's dtype."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.plan import Leg, Plan
from pytest_edgegate.core.ports import SourceModel, Transform
from pytest_edgegate.core.recipe import PTQ, Recipe, distils, spell
from pytest_edgegate.core.target import Target
from pytest_edgegate.spelling import spell_choice, spell_format, spell_model

Transforms = Mapping[str, Transform]
Node = tuple[str, str]


def make_plan(model: SourceModel, recipe: Recipe, target: Target, transforms: Transforms) -> Plan:
    """The plan for a recipe, completed with PTQ if the target's dtype requires it.

    Raises UnsupportedError, before any work, with the alternatives.
    """
    legs = _preferred(model.node, recipe, target, transforms)
    notes = []
    if legs is None and target.complete_with_ptq and not _quantises(recipe):
        completed = (*recipe, PTQ())
        legs = _preferred(model.node, completed, target, transforms)
        if legs is not None:
            wanted = " or ".join(target.dtypes)
            notes.append(f"completed with {PTQ()}: {target.name} takes {wanted} only")
            recipe = completed
    if legs is None:
        raise _impossible(model, recipe, target, transforms)
    form, dtype = legs[-1].move.result if legs else model.node
    if dtype in target.cautions:
        notes.append(target.cautions[dtype])
    return Plan(legs, recipe, target.name, form, dtype, "; ".join(notes))


def float_target(target: Target, form: str) -> Target:
    """A variant of the target that accepts floats, for a float export."""
    return replace(
        target,
        formats=(form,),
        dtypes=("float32",),
        io_dtypes=(),
        default_io="float32",
        preferred={},
        cautions={},
        complete_with_ptq=False,
        static_shape=False,
        per_channel_dense=True,  # of int8 only: targets of one format share their float exports
    )


def no_road(model: SourceModel, target: Target, transforms: Transforms) -> UnsupportedError | None:
    """The error for a model of which nothing makes a file of the target; None if something does.

    Its remedy names the formats that the target's files are made of.
    """
    if _reached(model.node, transforms).intersection(target.formats):
        return None
    form, dtype = model.node
    name = model.name if model.path is None else model.path.name
    wanted = spell_choice([spell_format(each) for each in target.formats])
    starts = _starts(target, transforms)
    remedy = (
        f"give what {name} was made from, as {spell_choice(starts)}"
        if starts
        else f"install what makes {wanted}: pip install 'pytest-edgegate[all]'"
    )
    return UnsupportedError(
        f"{name} is {spell_model(form)} in {dtype}, and {target.name} takes {wanted}, which "
        "nothing installed makes of it",
        remedy,
    )


def _reached(node: Node, transforms: Transforms) -> set[str]:
    """The formats that any chain of moves leads to, its own among them."""
    moves = [move for each in transforms.values() for move in each.moves]
    found, waiting = {node}, [node]
    while waiting:
        here = waiting.pop()
        beyond = {move.result for move in moves if move.source == here} - found
        found |= beyond
        waiting += beyond
    return {form for form, _ in found}


def _starts(target: Target, transforms: Transforms, recipe: Recipe = ()) -> list[str]:
    """What leads to the target by a recipe, or by PTQ, as users know it."""
    sources = {move.source for each in transforms.values() for move in each.moves}
    found = {each[0] for each in sources if _leads_to(each, recipe, target, transforms)}
    return [spell_format(form) for form in sorted(found)]


def _quantises(recipe: Recipe) -> bool:
    return any(step.changes_dtype for step in recipe)


def _preferred(
    start: Node, recipe: Recipe, target: Target, transforms: Transforms, *, refused: bool = False
) -> tuple[Leg, ...] | None:
    """The chain to the target's preferred format for this model, or else to any of its formats."""
    form = target.preferred.get(start[0])
    if form is not None:
        narrowed = replace(target, formats=(form,))
        legs = _search(start, recipe, narrowed, transforms, refused=refused)
        if legs is not None:
            return legs
    return _search(start, recipe, target, transforms, refused=refused)


def _search(
    start: Node, recipe: Recipe, target: Target, transforms: Transforms, *, refused: bool = False
) -> tuple[Leg, ...] | None:
    """Breadth-first search over (format, dtype, steps done); *refused* also allows refused legs."""
    queue: deque[tuple[Node, int, tuple[Leg, ...]]] = deque([(start, 0, ())])
    seen = {(start, 0)}
    while queue:
        node, done, legs = queue.popleft()
        if done == len(recipe) and node[0] in target.formats and node[1] in target.dtypes:
            return legs
        for leg in _moves_from(node, recipe[done] if done < len(recipe) else None, transforms):
            if not refused and transforms[leg.transform].refuse(leg.step, target) is not None:
                continue
            state = (leg.move.result, done + (leg.step is not None))
            if state not in seen:
                seen.add(state)
                queue.append((*state, (*legs, leg)))
    return None


def _moves_from(node: Node, step: object, transforms: Transforms) -> Iterator[Leg]:
    for name in sorted(transforms):
        for move in transforms[name].moves:
            if move.source != node:
                continue
            if move.step is None:
                yield Leg(name, move, None)
            elif isinstance(step, move.step):
                yield Leg(name, move, step)


def _impossible(
    model: SourceModel, recipe: Recipe, target: Target, transforms: Transforms
) -> UnsupportedError:
    form, dtype = model.node
    nowhere = no_road(model, target, transforms)
    if nowhere is not None:
        return nowhere
    if dtype == "int8" and recipe:
        return _finished(model, recipe, target)
    frozen = _frozen(model, recipe, target, transforms)
    if frozen is not None:
        return frozen
    for leg in _preferred(model.node, recipe, target, transforms, refused=True) or ():
        refusal = transforms[leg.transform].refuse(leg.step, target)
        if refusal is not None:
            return UnsupportedError(*refusal)
    able = sorted(
        {
            spell((step,))
            for kind in _step_kinds(transforms)
            if _search(model.node, (step := kind(),), target, transforms)
        }
    )
    unable = [step for step in recipe if not _search_any(model.node, type(step), transforms)]
    starts = _starts(target, transforms, recipe) or ["(none installed)"]
    remedy = (
        f"what would work: {', '.join(able)}"
        if able
        else f"give a float32 model that leads to {' or '.join(target.formats)}, as "
        f"{spell_choice(starts)}"
    )
    return UnsupportedError(
        f"no installed backend can do {spell(tuple(unable) or recipe)} on the {form} model "
        f"{model.name} ({dtype}) for {target.name}",
        remedy,
    )


def _finished(model: SourceModel, recipe: Recipe, target: Target) -> UnsupportedError:
    """The error for a step on an int8 model, which is a file of the target or becomes one."""
    remedy = (
        f'gate it as it is: edge_gate.check("{model.path}", ...)'
        if model.node[0] in target.formats
        else "convert it without a step: edge_compress()"
    )
    return UnsupportedError(
        f"{model.name} is a finished int8 file, and {spell(recipe)} can't be done to it again",
        remedy,
    )


def _frozen(
    model: SourceModel, recipe: Recipe, target: Target, transforms: Transforms
) -> UnsupportedError | None:
    """The error for a training step on a format whose weights are frozen."""
    learning = [step for step in recipe if step.trains]
    trained = sorted(
        {
            move.source
            for each in transforms.values()
            for move in each.moves
            if move.step is not None and move.step.trains
        }
    )
    if not learning or not trained or model.node[0] in {form for form, _ in trained}:
        return None
    able = [each for each in trained if _search(each, recipe, target, transforms) is not None]
    forms = list(dict.fromkeys(form for form, _ in able or trained))
    what = "edge_student" if distils(recipe) else "edge_model"
    teacher = "; as a teacher it can stay as it is" if distils(recipe) else ""
    as_it_is = not distils(recipe) and _search(model.node, (PTQ(),), target, transforms) is not None
    return UnsupportedError(
        f"{spell(tuple(learning))} trains, and the {model.node[0]} graph of {model.name} has no "
        f"weights that a training could change{teacher}",
        f"return the {' or '.join(forms)} model that it was exported from as {what}"
        + ("; PTQ() takes it as it is" if as_it_is else ""),
    )


def _leads_to(node: Node, recipe: Recipe, target: Target, transforms: Transforms) -> bool:
    """Whether this recipe, or PTQ, leads from this node to a format and dtype of the target."""
    return any(
        _search(node, each, target, transforms) is not None for each in (recipe, (), (PTQ(),))
    )


def _step_kinds(transforms: Transforms) -> list[type]:
    kinds = {move.step for each in transforms.values() for move in each.moves if move.step}
    return sorted(kinds, key=lambda kind: kind.__name__)


def _search_any(node: Node, kind: type, transforms: Transforms) -> bool:
    """Whether any backend supports this kind of step on this format."""
    return any(
        move.step is kind and move.source == node
        for each in transforms.values()
        for move in each.moves
    )
