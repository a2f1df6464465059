"""The operators that a target supports, with its rules for each."""

from __future__ import annotations

from pytest_edgegate.core.errors import nearest
from pytest_edgegate.core.target import OperatorRule
from pytest_edgegate.targets.values import Table

LIMITS = (
    "default_weights_format",
    "no_batch_padding",
    "no_batch_reduction",
    "no_fused_activation",
    "per_tensor_weights",
    "same_dilation",
    "softmax_size",
    "unit_strides",
)
"""The limits on operators that can be checked in a file."""

REFUSALS = ("integer_operators", "unsigned_integers", "wide_integers", "zero_points")
"""The kinds of quantisation that a vendor's tool may refuse, recognised in a file."""

_KEYS = ("since", "limits", "note", "source")


def operators_from(operators: Table) -> dict[str, OperatorRule]:
    """The rule of each operator, by its kind. Raises ConfigurationError."""
    return {kind: _rule(operators.table(kind)) for kind in operators.values}


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
    said = {key: str(rule.values.get(key, "")) for key in ("since", "note", "source")}
    return OperatorRule(limits=limits, **said)
