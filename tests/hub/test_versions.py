import platform

import keras

import keras_ssl
from keras_ssl.hub.versions import versions


def test_names_what_runs():
    found = versions()
    assert found["keras_ssl"] == keras_ssl.__version__ and found["python"] == platform.python_version()
    assert found["backend"] == keras.backend.backend()
    assert found[found["backend"]].count(".") >= 1
