"""Features of encoded images in memory."""

import numpy as np
import pytest
from PIL import Image

import keras_ssl
from keras_ssl.workflows import embed_bytes


def files(folder, count=9):
    """Images in several formats, one of them turned by its EXIF data."""
    random = np.random.default_rng(0)
    for number in range(count):
        image = Image.fromarray(random.integers(0, 256, (20 + number, 30, 3), "uint8"))
        exif = Image.Exif()
        exif[0x0112] = 6
        kind, more = [("png", {}), ("jpg", {"exif": exif}), ("bmp", {})][number % 3]
        image.save(folder / f"{number}.{kind}", **more)
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def test_equals_embed_of_a_folder(tmp_path):
    listed = files(tmp_path)
    names, features = embed_bytes("barlow_digits", reversed(listed))
    assert names == [name for name, _ in reversed(listed)] and features.dtype == np.float32
    np.testing.assert_allclose(features[::-1], keras_ssl.embed("barlow_digits", tmp_path), atol=1e-5)


@pytest.mark.once
def test_what_cannot_be_decoded_is_left_out(tmp_path):
    model, listed = keras_ssl.load("barlow_digits"), files(tmp_path)
    _, whole = embed_bytes(model, listed)
    broken = bytearray(listed[3][1])
    broken[60:-12] = bytes(len(broken) - 72)  # its ends are whole
    listed[3] = (listed[3][0], bytes(broken))
    with pytest.warns(UserWarning, match="Left out 2 of 10 files that cannot be decoded: '3.png', 'x.jpg'"):
        names, features = embed_bytes(model, [*listed, ("x.jpg", b"nothing")])
    assert names == [name for name, _ in listed if name != "3.png"]
    np.testing.assert_allclose(features, np.delete(whole, 3, axis=0), atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("listed", [[], [("a.jpg", b"nothing")]])
def test_refuses(listed):
    with pytest.raises(ValueError, match=r"`files` must hold an image that can be decoded. Received: files="):
        embed_bytes("barlow_digits", listed)
