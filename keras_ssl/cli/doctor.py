"""Checks the environment: versions, backend, accelerators, memory, disk, and whether a training step runs.

keras-ssl doctor
"""

import os
import shutil
import sys
import time

import keras
import numpy as np
from absl import app

import keras_ssl
from keras_ssl.hub.environment import cache_folder
from keras_ssl.hub.versions import versions
from keras_ssl.messages import guarded_output, say


@guarded_output()
def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Nothing is taken. Received: {' '.join(argv[1:])}")
    bad = []
    for name, version in versions().items():
        say(f"ok    {name} {version}")
    devices = keras.distribution.list_devices()
    kind = "ok  " if any(not device.lower().startswith("cpu") for device in devices) else "note"
    say(f"{kind}  devices of {keras.backend.backend()}: {', '.join(devices)}, {os.cpu_count()} CPU cores")
    if keras.backend.image_data_format() != "channels_last":
        bad.append("image_data_format")
        say("bad   Keras' image_data_format must be channels_last: see ~/.keras/keras.json")
    cache = cache_folder()
    free = shutil.disk_usage(_existing(str(cache))).free / 1e9
    say(f"{'ok  ' if free > 5 else 'note'}  cache of weights {cache}: {free:.0f} GB free")
    start = time.perf_counter()
    try:
        model = keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(widths=(4, 8)), projector=(8, 4))
        model.compile("adam")
        loss = model.fit(np.zeros((8, 16, 16, 3), "uint8"), batch_size=8, verbose=0).history["loss"][0]
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        say(f"ok    a training step, compiled and run in {time.perf_counter() - start:.1f} s")
    except Exception as error:  # whatever it is, it is what the user has to know
        bad.append("training")
        say(f"bad   a training step fails: {type(error).__name__}: {error}")
    if bad:
        sys.exit(f"keras-ssl doctor: error: {', '.join(bad)}")


def _existing(path: str) -> str:
    """The nearest folder above that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    return path
