"""Lazy imports of TensorFlow and Keras, without their output and with edgegate errors."""

from __future__ import annotations

import os
from types import ModuleType

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed
from pytest_edgegate.core.errors import UnsupportedError


def import_tensorflow() -> ModuleType:
    """The tensorflow module. Raises BackendUnavailableError where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or its banner fills captured output
    with needed("tensorflow", "a Keras model", "keras"), held_native_output():
        import tensorflow
    module: ModuleType = tensorflow
    return module


def import_keras() -> ModuleType:
    """Keras 3 on its TensorFlow backend, the only one that TFLite's converter reads."""
    import_tensorflow()
    with needed("keras", "a Keras model", "keras"), held_native_output():
        import keras
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UnsupportedError(
            f"Keras runs on its {backend} backend here, and TFLite's converter reads only "
            "TensorFlow's",
            "set KERAS_BACKEND=tensorflow in the environment of pytest",
        )
    module: ModuleType = keras
    return module


def import_tf_keras() -> ModuleType:
    """The Keras 2 that still reads old files."""
    import_tensorflow()
    with (
        needed("tf-keras", "an old .h5 file, which Keras 3 refuses,", "keras"),
        held_native_output(),
    ):
        import tf_keras
    module: ModuleType = tf_keras
    return module
