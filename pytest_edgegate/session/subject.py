"""The subject of a test: the values of its fixtures, each resolved once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import SourceModel
from pytest_edgegate.core.recipe import Recipe, distils
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.session.given import Given, Missing

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset
    from pytest_edgegate.data.splits import ArraySplit
    from pytest_edgegate.measures.evidence import Evidence
    from pytest_edgegate.measures.metrics import Scoring
    from pytest_edgegate.measures.reference import ReferenceCheck
    from pytest_edgegate.session.intake.recognition import Recogniser
    from pytest_edgegate.stats.groups import Groups


class Subject:
    """The model under test with its data and its scoring, each recognised on first use.

    A file is fixed at its first use: an artifact and its reference come from one model even if the
    file is written to in between.
    """

    def __init__(self, given: Given, recogniser: Recogniser) -> None:
        self._given = given
        self._recogniser = recogniser
        self.compared_with_chance: list[tuple[Evidence, ReferenceCheck]] = []
        """The answers of the model that were compared with chance, and what that found."""

    @property
    def has_model(self) -> bool:
        return not isinstance(self._given.model, Missing)

    @property
    def has_data(self) -> bool:
        return not isinstance(self._given.data, Missing)

    @property
    def has_evaluation(self) -> bool:
        """Whether there are samples to evaluate on."""
        return self.has_data and self.dataset.split("evaluation") is not None

    @property
    def has_labels(self) -> bool:
        """Whether the evaluation samples have labels, as far as that is known without a pass."""
        from pytest_edgegate.data.splits import ArraySplit

        split = self.dataset.evaluation if self.has_evaluation else None
        return split is not None and not (isinstance(split, ArraySplit) and split.labels is None)

    @cached_property
    def model(self) -> SourceModel:
        """The model under test. Raises ConfigurationError, InferenceError."""
        return self._recogniser.model(self._given.model, self._given.data)

    @cached_property
    def student(self) -> SourceModel:
        """The student of a distillation. Raises ConfigurationError, InferenceError."""
        return self._recogniser.student(self._given.student.value, self._given.data)

    def source(self, recipe: Recipe) -> SourceModel:
        """The model that a recipe starts from: the student for a distillation."""
        return self.student if distils(recipe) else self.model

    @cached_property
    def dataset(self) -> Dataset:
        """The data. Raises ConfigurationError, with the lines to paste, if there is none."""
        return self._recogniser.dataset(self._given.data)

    @cached_property
    def scoring(self) -> Scoring:
        """The metric, for the evaluation samples. Raises ConfigurationError, UnknownNameError."""
        return self._scoring(indexable=self.dataset.evaluation.indexable)

    @property
    def is_scored_from_0_to_1(self) -> bool:
        """Whether the metric lies between 0 and 1, determined without reading the data."""
        return self._scoring(indexable=True).bounded

    def reads_classes(self, outputs: Sequence[str], at: int, rows: int) -> bool:
        """Whether the metric reads an output with so many rows of channels as class scores.

        *outputs*: the names of all outputs.
        """
        from pytest_edgegate.data.splits import ArraySplit

        scoring, split = self._scoring(indexable=True), self.dataset.evaluation
        unlabelled = isinstance(split, ArraySplit) and split.labels is None
        if unlabelled or not scoring.reads_classes(rows):
            return False
        chosen = scoring.output
        if chosen is None:
            return len(outputs) == 1
        return chosen in (outputs[at], at, at - len(outputs))

    @property
    def metric_name(self) -> str:
        return self._scoring(indexable=True).name

    def _scoring(self, *, indexable: bool) -> Scoring:
        from pytest_edgegate.measures.metrics import as_scoring

        return as_scoring(self._given.metric, indexable=indexable, inputs=self._inputs)

    def scoring_of(self, part: ArraySplit) -> Scoring:
        """The metric for some of the evaluation samples alone."""
        from pytest_edgegate.data.splits import as_given
        from pytest_edgegate.measures.metrics import as_scoring

        def inputs() -> object:
            return as_given(part.inputs, part.names)

        return as_scoring(self._given.metric, indexable=True, inputs=inputs)

    def _inputs(self) -> object:
        """The inputs of all evaluation samples, in the form of the user's data."""
        from pytest_edgegate.data.splits import ArraySplit, as_given

        split = self.dataset.evaluation
        assert isinstance(split, ArraySplit)  # asked for indexable data only
        return as_given(split.inputs, split.names)

    @cached_property
    def groups(self) -> Groups | None:
        """The groups of the evaluation samples. Raises ConfigurationError if they do not fit."""
        if not self._has_groups:
            return None  # whatever else is wrong with the metric or the data is told elsewhere
        from pytest_edgegate.measures.metrics import groups_of

        return groups_of(self._given.metric, self.dataset.evaluation.size)

    def check_groups(self) -> None:
        """Raises ConfigurationError for groups that do not fit the evaluation samples."""
        if self._has_groups and self.has_evaluation:
            _ = self.groups

    @property
    def _has_groups(self) -> bool:
        return getattr(self._given.metric, "groups", None) is not None

    @property
    def training(self) -> EdgeTraining:
        """The user's training settings. Raises ConfigurationError."""
        given = self._given.training
        if not isinstance(given, EdgeTraining):
            raise ConfigurationError(
                f"edge_training is a {type(given).__name__}, not an EdgeTraining",
                "return EdgeTraining(batch_size=64, ...) from it",
            )
        return given
