"""Finds the order of the inputs for data that has no names, or refuses to guess it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import BackendUnavailableError, UnsupportedError
from pytest_edgegate.data.input_order import (
    InputOrder,
    input_order,
    interchangeable,
    without_order,
)
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import AS_GIVEN, Specimen
from pytest_edgegate.session.subject import Subject


@dataclass(frozen=True)
class InputOrders:
    """The data of a subject against the inputs of its model, and of files made from it."""

    opener: Opener
    subject: Subject

    def check_model(self) -> None:
        """Raises ConfigurationError for a model under test that has names only."""
        if not self._by_position:
            return
        inputs = self._of_model()
        if interchangeable(inputs) is not None:
            raise without_order(self.subject.model.name, inputs)

    def of_file(self, name: str, inputs: Callable[[], tuple[TensorInfo, ...]]) -> InputOrder:
        """The order of the inputs of a third-party file.

        Raises ConfigurationError if neither names nor the file itself tell it.
        """
        if not self._by_position:
            return AS_GIVEN
        given, own = inputs(), self._of_model()
        if interchangeable(own) is not None:
            raise without_order(self.subject.model.name, own)
        found = input_order(own, given)
        if found is not None:
            return found
        if interchangeable(given) is not None:
            raise without_order(name, given, own)
        return AS_GIVEN

    @property
    def _by_position(self) -> bool:
        """Whether the data has several inputs and no names."""
        if not self.subject.has_data or not self.subject.dataset.has_samples:
            return False
        example = self.subject.dataset.example()
        return example.names is None and len(example.arrays) > 1

    def _of_model(self) -> tuple[TensorInfo, ...]:
        """The inputs of the model under test; none if nothing here runs it."""
        if not self.subject.has_model:
            return ()
        try:
            return self.opener.inputs(Specimen.of_model(self.subject.model))
        except (BackendUnavailableError, UnsupportedError):
            return ()
