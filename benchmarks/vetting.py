"""Healthy models that vetting has to let through, and what it costs beside loading them.

``python benchmarks/vetting.py [FAMILY ...]``: every family of ``keras.applications`` by Keras 3 and
by tf-keras, saved as ``.keras``, ``.h5`` and SavedModel, loaded by the gate, which vets it before.
``--folder=FOLDER`` keeps the files, and uses those that are there. Some 25 minutes for all of them;
the last line says how many were refused.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.vetting.files import vet_archive, vet_hdf5, vet_saved_model
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.testing.contract import surroundings

FAMILIES = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "RegNetX002",
    "RegNetY002",
    "ResNet50",
    "ResNet50V2",
    "ResNetRS50",
    "VGG16",
    "Xception",
)
"""The smallest of each; Keras 3 has no RegNet and no ResNetRS."""
VETS = {".keras": vet_archive, ".h5": vet_hdf5}
FORMATS = ("keras", "h5", "savedmodel")


def builder(framework: Any, family: str) -> Any:
    found = getattr(framework.applications, family, None)
    for name in dir(framework.applications):
        found = found or getattr(getattr(framework.applications, name), family, None)
    return found


def save(model: Any, path: Path) -> None:
    if path.suffix:
        model.save(path)
    elif hasattr(model, "export"):
        model.export(str(path))
    else:
        model.save(path, save_format="tf")


def saved(folder: Path, name: str, family: str) -> Iterator[Path]:
    """The model in each format; made where it is not there yet."""
    framework = __import__(name)
    make = builder(framework, family)
    if make is None:
        return
    model = None
    for form in FORMATS:
        path = folder / f"{name}-{family}{'' if form == 'savedmodel' else '.' + form}"
        if not path.exists():
            with held_native_output():
                if model is None:
                    model = make(weights=None, input_shape=(224, 224, 3))
                save(model, path)
        yield path
    framework.backend.clear_session()


def vetted(path: Path) -> float:
    """What vetting takes: the median of three times in seconds."""
    vet = vet_saved_model if path.is_dir() else VETS[path.suffix]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        vet(path).confirm()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 1e6


def show(path: Path) -> bool:
    """Prints one line; whether the gate has let the model through."""
    line = f"{path.name:40} {megabytes(path):7.1f} MB"
    try:
        vetting = vetted(path)
        start = time.perf_counter()
        found = READER.recognise(path, surroundings())
        assert found is not None
        with held_native_output():
            inputs = found.load().inputs
        loading = time.perf_counter() - start
    except UnsupportedError as error:
        print(f"{line}  REFUSED: {error.message}", flush=True)
        return False
    except ConfigurationError as error:  # Keras 3 does not read every .h5 that it has written
        print(f"{line}  passed; Keras itself can't load it: {error.__cause__!r:.90}", flush=True)
        return True
    share = vetting / loading
    print(
        f"{line}  vetted {vetting * 1e3:6.1f} ms  loaded {loading:5.1f} s  {share:6.2%}  "
        f"{inputs[0].shape}",
        flush=True,
    )
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="*", default=FAMILIES)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        passed = [
            show(path)
            for name in ("tf_keras", "keras")
            for family in asked.families
            for path in saved(folder, name, family)
        ]
    print(f"{len(passed)} files, {passed.count(False)} refused")


if __name__ == "__main__":
    main()
