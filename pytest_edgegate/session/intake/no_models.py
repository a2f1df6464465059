"""What a fixture returned in place of a model, as far as it shows what was meant."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_edgegate.core.errors import ConfigurationError


def no_model(given: object, otherwise: str) -> ConfigurationError:
    """The error for an object that no backend knows; *otherwise*: the remedy where nothing shows
    what was meant."""
    if given is None:
        return ConfigurationError(
            "edge_model is None",
            f"end the fixture with a return: {otherwise}",
        )
    if isinstance(given, type):
        return ConfigurationError(
            f"edge_model is the class {given.__name__}, not a model",
            f"create one: return {given.__name__}(...)",
        )
    if (
        isinstance(given, Mapping)
        and given
        and all(hasattr(each, "shape") for each in given.values())
    ):
        first = next(iter(given))
        return ConfigurationError(
            f"edge_model is weights ({first!r}, ...) without the model that they belong to",
            "create the model and load them: model = MyModel(); model.load_state_dict(weights); "
            "return model.eval()",
        )
    name = getattr(given, "__name__", None)
    if callable(given) and isinstance(name, str):
        return ConfigurationError(
            f"edge_model is the function {name}, not a model",
            f"call it: return {name}()",
        )
    return ConfigurationError(
        f"edge_model is a {type(given).__module__}.{type(given).__qualname__}, which no "
        "installed backend knows",
        otherwise,
    )
