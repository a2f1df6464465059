"""The measurement of a figure that was estimated from samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Estimate


def measured(estimate: Estimate, found: Evidence, remarks: Sequence[str] = ()) -> Measurement:
    """*found*: the results that it was estimated from; *remarks* go into the verdict's note."""
    known = math.isfinite(estimate.interval.low) and math.isfinite(estimate.interval.high)
    return Measurement(
        estimate.value,
        found.source,
        low=estimate.interval.low if known else None,
        high=estimate.interval.high if known else None,
        level=estimate.interval.level,
        n=found.n,
        n_total=found.n,
        cached=found.cached,
        exact=estimate.exact,
        method=estimate.method,
        provable=estimate.provable,
        unprovable=estimate.unprovable,
        spread=estimate.spread,
        groups=estimate.groups,
        undecided=estimate.undecided,
        undecided_remedy=estimate.undecided_remedy,
        remark="; ".join(filter(None, (estimate.remark, *remarks))),
    )
