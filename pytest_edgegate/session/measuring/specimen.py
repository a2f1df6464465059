"""Specimens: artifacts and models under test that are opened for measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.ports import Example, MayOnlyRun, SourceModel
from pytest_edgegate.data.input_order import InputOrder
from pytest_edgegate.data.laid_out import as_model, layout_by_samples, transposed
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.fed_inputs import NOT_QUANTISED, Held, held_inputs
from pytest_edgegate.session.intake.taken_in import ready
from pytest_edgegate.session.subject import Subject

AS_GIVEN = InputOrder()


@dataclass(frozen=True)
class Specimen:
    """A model in a runtime, with its digest and a sample."""

    model: Path | SourceModel
    digest: str
    runtime: str
    layout: Layout = AS_THE_MODEL
    made: bool = False
    """Whether this gate made the file, so that its bytes can be trusted."""
    example: Example | None = field(default=None, compare=False)
    """One sample of the user's data, if there is data."""
    order: InputOrder = AS_GIVEN
    """The order of its inputs relative to those of the model under test."""
    held: Callable[[], Held] = field(default=lambda: NOT_QUANTISED, compare=False)
    """The quantised inputs of a file; it is read for them."""
    by_range: Callable[[], tuple[str, ...]] = field(default=tuple, compare=False)
    """The operators of a file that quantise by the range of a batch; it is read for them."""
    called: Callable[[], tuple[str, ...]] = field(default=tuple, compare=False)
    """The names that the model under test gives its outputs, for a file that was made from it; none
    where nothing here runs the model."""
    content: tuple[Path, ...] = ()
    """The files of an artifact, as in ``Artifact.content``; a model under test knows its own."""

    @classmethod
    def of_model(cls, model: SourceModel) -> Specimen:
        """The model under test in its own runtime. Raises UnsupportedError if it has none."""
        if not model.runtime:
            raise UnsupportedError(
                f"nothing here runs {model.name} as it is",
                "install the extra of its format, or give another edge_model",
            )
        return cls(model, model.digest(), model.runtime)

    @classmethod
    def of_artifact(
        cls,
        artifact: Artifact,
        runtime: str,
        subject: Subject,
        description: Callable[[], ModelDescription],
        order: InputOrder = AS_GIVEN,
        called: Callable[[], tuple[str, ...]] = tuple,
    ) -> Specimen:
        """*description*, *called*: read only if they are needed."""
        example = subject.dataset.example() if subject.has_evaluation else None
        layout = artifact.layout
        if not artifact.made and example is not None:
            fed = replace(example, arrays=order.to_file(example.arrays))
            layout = layout_by_samples(fed, description().inputs)
        main, digest, made = artifact.main, artifact.digest, artifact.made

        def held() -> Held:
            return held_inputs(description(), artifact)

        def by_range() -> tuple[str, ...]:
            return description().by_range

        return cls(
            main,
            digest,
            runtime,
            layout,
            made,
            example,
            order,
            held,
            by_range,
            called,
            artifact.content,
        )

    def of_export(self, export: Artifact) -> Specimen:
        """A float export of the same model, in the same runtime and with the same sample."""
        return replace(
            self,
            model=export.main,
            digest=export.digest,
            layout=export.layout,
            order=AS_GIVEN,
            made=True,
            content=export.content,
            held=lambda: NOT_QUANTISED,
            by_range=tuple,
        )

    def in_runtime(self, runtime: str) -> Specimen:
        return replace(self, runtime=runtime)

    def as_file(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Arrays of the model under test in the order and the axes of the file."""
        return transposed(self.order.to_file(arrays), self.layout.inputs)

    def as_model(self, inputs: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        """The file's inputs in the axes and the order of the model under test."""
        return self.order.of_model(as_model(inputs, self.layout.inputs))

    @property
    def title(self) -> str:
        """The model and its runtime, for messages."""
        path = self.path
        return f"{self.name if path is None else path.name} in {self.runtime}"

    @property
    def lasting(self) -> bool:
        """Whether its digest names it in other runs too, so that what is seen of it may be kept."""
        return not isinstance(self.model, MayOnlyRun) or self.model.lasting

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def path(self) -> Path | None:
        """The file as the user knows it; None for a live object."""
        return self.model if isinstance(self.model, Path) else self.model.path

    @property
    def opened(self) -> Path | SourceModel:
        """The argument for the runtime: never a file that somebody else may be writing to."""
        return self.model if isinstance(self.model, Path) else ready(self.model)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that ships with ``opened``; none for a live object."""
        opened = self.opened
        return self.content if isinstance(opened, Path) else opened.files
