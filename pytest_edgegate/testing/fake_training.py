"""Training recipes for the fake format: the real loop over the real data, with a fake loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import Produced, SourceModel, TrainingData, TransformData
from pytest_edgegate.core.recipe import QAT, Distill, Prune, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.objectives import check_teacher, choose_objective
from pytest_edgegate.data.training_loop import train
from pytest_edgegate.testing.fake_files import CLASSES, FORMAT, describe, read_fake, write_fake

_TRAINS = (QAT, Prune, Distill)


class FakeTraining:
    """Records its training in the file: ``taught`` lists steps, samples seen and losses.

    ``diverges`` in the model's content: the number of the step, from 1, whose loss is NaN;
    ``classes``: the number of a student's classes. Pruning removes its share of the bytes, and
    answers ``prune_wrong`` wrongly.
    """

    version = 1
    packages = ("numpy",)
    programs = ()
    moves = (
        Move((FORMAT, "float32"), Prune, (FORMAT, "float32")),
        Move((FORMAT, "float32"), Distill, (FORMAT, "float32")),
        Move((FORMAT, "float32"), QAT, (FORMAT, "int8")),
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {}  # training is independent of the target

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        assert model.path is not None  # fakes are files
        assert isinstance(step, _TRAINS)  # its moves have no others
        content = read_fake(model.path)
        samples = data.training(describe(content).inputs)
        losses, seen = _taught(content, step, samples, model.name)
        taught = [*content.get("taught", []), [crc32(step.in_full.encode()), seen, list(losses)]]
        size = int(content.get("bytes", 4000))
        changes: dict[str, Any] = {"taught": taught}
        if isinstance(step, Prune):
            size = round(size * (1 - step.amount))
            wrong = content.get("prune_wrong", content.get("wrong", []))
            changes |= {"bytes": size, "wrong": wrong}
        if isinstance(step, QAT):
            size //= 4
            changes |= {
                "dtype": "int8",
                "wrong": content.get("qat_wrong", []),
                "io": content.get("io", "uint8"),
            }
        main = out / model.path.name
        write_fake(main, {**content, **changes}, size)
        return Produced(main, (main,), facts={"losses": list(losses), "samples": seen})


def _taught(
    content: Mapping[str, Any], step: QAT | Prune | Distill, samples: TrainingData, what: str
) -> tuple[tuple[float, ...], int]:
    """(losses by epoch, samples seen)."""
    example = samples.example()
    scores = np.zeros((len(example), int(content.get("classes", CLASSES))), np.float32)
    if isinstance(step, Distill):
        assert example.teacher is not None  # a distillation has a teacher
        check_teacher(example.teacher, scores)
    needs_labels = not isinstance(step, Distill) or step.alpha < 1
    objective = (
        choose_objective((scores,), example.labels, samples.settings) if needs_labels else None
    )
    count = seen = 0

    def learn(batch: TrainingBatch) -> float:
        nonlocal count, seen
        count, seen = count + 1, seen + len(batch)
        assert (batch.teacher is not None) is isinstance(step, Distill)
        if objective is not None:
            objective.targets(np.asarray(batch.labels), (len(batch), scores.shape[1]))
        return float("nan") if count == content.get("diverges") else 1 / count

    return train(samples, step, learn, what), seen
