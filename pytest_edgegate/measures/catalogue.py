"""Which function measures which budget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.measures import accuracy, comparison, contract, parity, size
from pytest_edgegate.measures.context import MeasureContext
from pytest_edgegate.measures.latency import latency

Measure = Callable[[MeasureContext], Finding]

MEASURES: dict[str, Measure] = {
    "accuracy_drop": accuracy.accuracy_drop,
    "accuracy_drop_relative": accuracy.accuracy_drop_relative,
    "accuracy_min": accuracy.accuracy_min,
    "size": size.size,
    "compression": size.compression,
    "parameters": size.parameters,
    "macs": size.macs,
    "parity_agreement": parity.parity_agreement,
    "parity_within_lsb": parity.parity_within_lsb,
    "parity_lsb": parity.parity_lsb,
    "parity_abs": parity.parity_abs,
    "export_error": comparison.export_error,
    "sqnr_db": comparison.sqnr_db,
    "contract": contract.contract,
    **{
        f"latency_{each}": partial(latency, f"latency_{each}")
        for each in ("p50", "p95", "p99", "first", "ratio")
    },
}


def measure(metric: str, context: MeasureContext) -> Finding:
    """The figure, or that nothing measures this budget here."""
    found = MEASURES.get(metric)
    if found is None:
        return NotMeasured(
            metric,
            f"nothing installed measures {metric} on {context.target.name}",
            "take the budget out, or run with "
            f"--edge-allow-unmeasured={context.target.name}:{metric}",
        )
    return found(context)
