"""What the tests of downloads share: a file on a server, and the cache that it goes to."""

import hashlib

import keras
import numpy as np
import pytest

from keras_ssl.hub import DownloadError, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "tiny/encoder.safetensors"

without_backend = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="downloads know no backend")


def leftovers(target):
    """What lies in the cache beside the file."""
    return sorted(path.name for path in target.parent.iterdir() if path != target) if target.parent.exists() else []


def fails(file, match, **arguments):
    """The message of a download that must fail."""
    with pytest.raises(DownloadError, match=match) as caught:
        fetch(file, progress=False, **arguments)
    return str(caught.value)


def damage(path, how):
    """Spoils a file."""
    content = path.read_bytes()
    path.write_bytes({"flip": content[:-1] + bytes([content[-1] ^ 1]), "cut": content[:10], "empty": b""}[how])
