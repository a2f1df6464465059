"""What the detector has to hold after quantisation."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.edge_budget(accuracy_drop=0.02, accuracy_min=0.6, size="140 kB")
def test_ptq(edge_ptq: Path) -> None:
    """Quantised after training, it loses at most two points of mean average precision."""
