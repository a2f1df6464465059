"""The operators that a target supports, with its rules for each."""

from __future__ import annotations

from typing import Any

from pytest_edgegate.core.errors import nearest
from pytest_edgegate.core.target import LimitRule, OperatorRule
from pytest_edgegate.targets.values import Table

LIMITS = (
    "deconvolved_values",
    "default_weights_format",
    "flat_alpha",
    "fours",
    "groups",
    "no_batch_packing",
    "no_batch_padding",
    "no_batch_reduction",
    "no_batch_splitting",
    "no_fused_activation",
    "one_row",
    "per_tensor_weights",
    "reduced_values",
    "reshaped_values",
    "resize_factor",
    "resized_side",
    "same_dilation",
    "softmax_size",
    "unit_strides",
    "zero_constants",
)
"""The limits on operators that can be checked in a file."""

REFUSALS = ("integer_operators", "unsigned_integers", "wide_integers", "zero_points")
"""The kinds of quantisation that a vendor's tool may refuse, recognised in a file."""

_KEYS = ("since", "limits", "note", "source", "guess")
_LIMIT_TEXTS = ("guess", "source")
_LIMIT_NUMBERS = ("most", "taken", "refused")


def operators_from(operators: Table) -> dict[str, OperatorRule]:
    """The rule of each operator, by its kind. Raises ConfigurationError."""
    return {kind: _rule(operators.table(kind)) for kind in operators.values}


def limits_from(limits: Table) -> dict[str, LimitRule]:
    """What is known of each limit, by its name. Raises ConfigurationError."""
    limits.check_keys(LIMITS, "limits")
    return {name: _limit(limits.table(name)) for name in limits.values}


def _limit(limit: Table) -> LimitRule:
    limit.check_keys((*_LIMIT_NUMBERS, *_LIMIT_TEXTS), "a limit")
    given: dict[str, Any] = {key: limit.number(key) for key in _LIMIT_NUMBERS if key in limit}
    given |= {key: limit.text(key) for key in _LIMIT_TEXTS if key in limit}
    return LimitRule(**given)


def refusals_from(refusals: Table) -> dict[str, str]:
    """The vendor's words by the name of the rule. Raises ConfigurationError."""
    refusals.check_keys(REFUSALS, "refusals")
    return refusals.texts()


def _rule(rule: Table) -> OperatorRule:
    rule.check_keys(_KEYS, "an operator")
    limits = rule.names("limits", may_be_empty=True) if "limits" in rule else ()
    for limit in limits:
        if limit not in LIMITS:
            raise rule.wrong(
                f"{rule.inside}limits has the unknown limit {limit!r}{nearest(limit, LIMITS)}",
                f"limits are {', '.join(LIMITS)}",
            )
    said = {key: str(rule.values.get(key, "")) for key in ("since", "note", "source", "guess")}
    return OperatorRule(limits=limits, **said)
