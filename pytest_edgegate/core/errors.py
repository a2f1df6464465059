"""Every error that a user can see. Each states the fault and ends with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_edgegate.core.printable import printable
from pytest_edgegate.core.private_places import without_private_places


class EdgeGateError(Exception):
    """The gate could not do its work. This is not a finding about the model.

    ``str(error)`` starts with ``edgegate error:`` and ends with the remedy.
    """

    def __init__(self, message: str, remedy: str) -> None:
        self.message = presentable(without_private_places(message))
        self.remedy = presentable(without_private_places(remedy))
        super().__init__(self.message, self.remedy)

    def reword(self, words: str, others: str) -> None:
        """Says the same in other words, such as the name that the user gave to what is wrong."""
        self.message = self.message.replace(words, others)
        self.remedy = self.remedy.replace(words, others)

    def __str__(self) -> str:
        return printable(f"edgegate error: {self.message}\n{self.remedy}")


class ConfigurationError(EdgeGateError):
    """An option, marker, fixture or data set of the user is invalid."""


class UnknownNameError(ConfigurationError):
    """A name that is not registered; the message suggests the closest known name, or those that
    the caller knows to be *meant* by it. *more* is added to the list of the known ones."""

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        where: str = "",
        meant: Sequence[str] = (),
        more: str = "",
    ) -> None:
        choices = sorted(known)
        place = f"{where}: " if where else ""
        self.given, self.known = name, choices
        hint = _asked(meant) if meant else nearest(name, choices)
        super().__init__(
            f"{place}unknown {kind} {name!r}{hint}", f"{_listing(kind, choices)}{more}"
        )


class UnknownAttributeError(UnknownNameError, AttributeError):
    """An attribute that the package does not have."""


class BackendUnavailableError(EdgeGateError):
    """A required package is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            f"pip install 'pytest-edgegate[{extra}]'",
        )


class UnsupportedError(EdgeGateError):
    """No installed backend supports this; refused before any work, with the alternatives."""


class CompressionError(EdgeGateError):
    """A conversion or a training failed."""


class InferenceError(EdgeGateError):
    """A runtime failed to open or run a model file."""


class CrashedError(InferenceError):
    """A model ended the process that ran it."""


class UnreadableFileError(ConfigurationError, InferenceError):
    """A model or data file that cannot be read, or is not a regular file."""


class StorageError(EdgeGateError):
    """The cache or a report could not be written or read."""


class EdgeGateWarning(UserWarning):
    """A condition that does not affect a verdict but deserves attention."""

    def __str__(self) -> str:
        return printable(super().__str__())


def presentable(text: str) -> str:
    """The text with lone surrogates escaped: undecodable bytes of a path can't be printed."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def nearest(name: str, known: Sequence[str]) -> str:
    """``, did you mean 'x'?`` with the known name closest to *name*, or an empty string."""
    from difflib import get_close_matches

    close = [each for each in known if _is_part(name, each)]
    close = close or get_close_matches(name, known, n=1, cutoff=0.5)
    return _asked(close[:1])


def _asked(meant: Sequence[str]) -> str:
    if not meant:
        return ""
    *others, last = (repr(each) for each in meant)
    before = f"{', '.join(others)} or " if others else ""
    return f", did you mean {before}{last}?"


def _is_part(name: str, other: str) -> bool:
    """Whether one is the other with something before it: ``drop`` and ``accuracy_drop``."""
    return bool(name) and (other.endswith(f"_{name}") or name.endswith(f"_{other}"))


def _listing(kind: str, choices: Sequence[str]) -> str:
    plural = f"{kind[:-1]}ies" if kind.endswith("cy") else f"{kind}s"
    return f"known {plural}: {', '.join(choices) if choices else '(none installed)'}"
