"""The traced graph of a live model, which the session saves for another process."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.tf_graphs import GRAPH, read_graph
from pytest_edgegate.backends.written_graphs import WrittenGraph, WrittenGraphReader
from pytest_edgegate.core.ports import LoadedModel


class TracedModel(WrittenGraph):
    """What ``LiveModel.write_graph`` wrote."""

    node = ("keras", "float32")
    content = GRAPH

    @staticmethod
    def read(folder: Path) -> LoadedModel:
        return read_graph(import_tensorflow(), folder)


READER = WrittenGraphReader(TracedModel)
