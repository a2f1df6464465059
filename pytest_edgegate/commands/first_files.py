"""The text of the files that ``init`` writes. Names from outside enter it as Python literals."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgegate.core.ports import SourceModel
    from pytest_edgegate.data.npz import NpzContent

CONFTEST = "conftest.py"
TEST_FILE = "test_edge.py"
_HEADROOM = 1.1
"""Of the size budget of a finished file."""


@dataclass(frozen=True)
class Subject:
    """What is known of the model under test and of its data."""

    model: str | None = None
    """The path of the model, relative to the folder of the files."""
    finished_bytes: int | None = None
    """The size of a model that is quantised already and is gated as it is."""
    data: str | None = None
    """The path of the .npz, relative to the folder of the files."""
    grouped: bool = False
    metric: str = "top1"
    floor: float | None = None
    """The accuracy that a finished file has to reach, which one that is broken does not; for an
    error, the largest one. None where labels alone do not tell it."""
    test_file: str = TEST_FILE

    def with_model(self, path: str, model: SourceModel) -> Subject:
        finished = model.node[1] == "int8"
        size = sum(each.stat().st_size for each in model.files) if finished else None
        return replace(self, model=path, finished_bytes=size)

    def with_data(self, path: str, content: NpzContent) -> Subject:
        import numpy as np

        metric = _metric_of(content)
        floor = _floor_of(metric, np.asarray(content.data.evaluation[1]))
        grouped = content.groups is not None
        return replace(self, data=path, grouped=grouped, metric=metric, floor=floor)


def files_for(subject: Subject) -> Mapping[str, str]:
    """The content of each file by its name."""
    return {CONFTEST: _conftest(subject), subject.test_file: _test_file(subject)}


def fixtures_in(conftest: str) -> frozenset[str]:
    """The names of the fixtures that the text of a ``conftest.py`` from here defines."""
    return frozenset(re.findall(r"^def (\w+)\(", conftest, re.MULTILINE))


def _metric_of(content: NpzContent) -> str:
    """The built-in metric that reads labels of this kind."""
    import numpy as np

    from pytest_edgegate.data.boxes import are_objects

    labels = np.asarray(content.data.evaluation[1])
    if are_objects(labels):
        return "map"
    if labels.dtype.kind == "f" and not _is_one_hot(labels):
        return "mse"
    return "miou" if labels.ndim > 2 else "top1"


_ENOUGH = 100
_ABOVE_CHANCE = 0.1
"""The share of the way from the best constant answer to a perfect one."""


def _floor_of(metric: str, labels: Any) -> float | None:
    """What is a little better than the best constant answer, rounded to the easier side.

    None also for few samples, on which a sound file may have less by chance.
    """
    import numpy as np

    if len(labels) < _ENOUGH:
        return None
    if metric == "top1" and labels.size:
        classes = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels
        chance = float(np.unique(classes, return_counts=True)[1].max() / len(labels))
        floor = chance + _ABOVE_CHANCE * (1 - chance)
        return math.floor(floor * 100) / 100 if chance < 1 else None
    if metric == "mse" and labels.size:
        error = float(labels.astype(np.float64).var(axis=0).mean()) * (1 - _ABOVE_CHANCE)
        return float(f"{error:.2g}") if error > 0 and math.isfinite(error) else None
    return None


def _is_one_hot(labels: object) -> bool:
    import numpy as np

    rows = np.asarray(labels)
    if rows.ndim != 2 or rows.shape[1] < 2:
        return bool(np.equal(np.mod(rows, 1), 0).all())  # class indices that were saved as floats
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())


def _conftest(subject: Subject) -> str:
    """The fixtures."""
    parts = [_MODEL_LATER if subject.model is None else _model_fixture(subject.model)]
    if subject.data is None:
        parts.append(_DATA_LATER)
    else:
        parts.append(_data_fixtures(subject, _literal(subject.data)))
    named = subject.model is not None or subject.data is not None
    return f"{_head(subject, named=named)}\n\n" + "\n\n".join(parts)


def _head(subject: Subject, *, named: bool) -> str:
    lines = ['"""What is under test: pytest-edgegate takes it from these fixtures."""', ""]
    lines += ["from pathlib import Path", ""] if named else []
    lines.append("import pytest")
    names = [*(["Metric"] if subject.grouped else []), *(["read_npz"] if subject.data else [])]
    if names:
        lines += ["", f"from pytest_edgegate import {', '.join(names)}"]
    if named:
        lines += ["", "HERE = Path(__file__).parent"]
    return "\n".join(lines) + "\n"


def _model_fixture(path: str) -> str:
    return f"""\
@pytest.fixture(scope="session")
def edge_model():
    return HERE / {_literal(path)}  # a path: nothing is loaded when nothing must be built
"""


def _data_fixtures(subject: Subject, path: str) -> str:
    if subject.grouped:
        return f'''\
@pytest.fixture(scope="session")
def npz():
    return read_npz(HERE / {path})


@pytest.fixture(scope="session")
def edge_data(npz):
    return npz.data


@pytest.fixture(scope="session")
def edge_metric(npz):
    return Metric("{subject.metric}", groups=npz.groups)
'''
    data = f"""\
@pytest.fixture(scope="session")
def edge_data():
    return read_npz(HERE / {path}).data
"""
    if subject.metric == "top1":
        return data
    return f'''{data}

@pytest.fixture(scope="session")
def edge_metric():
    return "{subject.metric}"  # by the kind of the labels
'''


def _literal(text: str) -> str:
    """The text as Python's literal, in double quotes where that needs no escapes."""
    shown = repr(text)
    return shown if '"' in text else f'"{shown[1:-1]}"'


_MODEL_LATER = """\
@pytest.fixture(scope="session")
def edge_model():
    # return "models/my_model.keras"
    #
    # The path of a .keras, .h5, .pt2, .onnx, .tflite or OpenVINO .xml file or of a SavedModel
    # folder, from the folder where pytest is started; or a keras.Model, or a torch.nn.Module.
    pytest.skip("conftest.py: return your model from the fixture edge_model")
"""
_DATA_LATER = """\
@pytest.fixture(scope="session")
def edge_data():
    # from pytest_edgegate import EdgeData
    #
    # return EdgeData(calibration=x_train[:200], evaluation=(x_test, y_test))
    #
    # Arrays, a DataLoader or a tf.data.Dataset, preprocessed as in training. The samples that
    # calibrate should not be among those that evaluate.
    pytest.skip("conftest.py: return your samples from the fixture edge_data")
"""


def _test_file(subject: Subject) -> str:
    """The tests."""
    if subject.finished_bytes is not None:
        return _finished(subject.finished_bytes, subject)
    drop = "accuracy_drop=0.01" if subject.metric != "mse" else "accuracy_drop_relative=0.05"
    told = (
        "loses at most one percentage point"
        if subject.metric != "mse"
        else "has an error at most 5 % larger"
    )
    return f'''\
"""What the compressed model has to hold."""

import pytest


# More budgets: size="120 kB", parity_agreement=0.99, sqnr_db="20 dB", ...
@pytest.mark.edge_budget({drop})
def test_ptq(edge_ptq):
    """Quantised after training, the model {told}."""
'''


def _finished(size: int, subject: Subject) -> str:
    limit = max(1, round(size * _HEADROOM / 1000 + 0.5))
    budgets = f'size="{limit} kB"'
    if subject.floor is None:
        comment = "# The accuracy is not judged yet: add accuracy_min=0.9, or what you need."
    else:
        budgets += f", accuracy_min={subject.floor:g}"
        side = "below" if subject.metric == "mse" else "above"
        comment = (
            f"# {subject.floor:g} is a little {side} the best constant answer: set what you need."
        )
    return f'''\
"""What the finished file has to hold."""

import pytest


{comment}
@pytest.mark.edge_budget({budgets})
def test_own_build(edge_artifact):
    """The file is gated as it is; it has {size:,} bytes today."""
'''
