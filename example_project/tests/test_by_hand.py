"""Assertions by hand, where a test wants to say when and on what."""

from collections.abc import Callable

from pytest_edgegate import PTQ, Artifact
from pytest_edgegate.gate import EdgeGate


def test_more_samples_do_no_harm(
    edge_compress: Callable[..., Artifact], edge_gate: EdgeGate
) -> None:
    few, many = edge_compress(PTQ(20)), edge_compress(PTQ(500))
    for artifact in (few, many):
        edge_gate.accuracy(artifact, drop=0.01)
        edge_gate.size(artifact, "60 kB")
    edge_gate.parity(many, agreement=0.99, lsb=16)
