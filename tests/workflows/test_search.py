"""The images whose features are nearest to those of one."""

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import keras_ssl
from keras_ssl.workflows import search
from keras_ssl.workflows.file_settings import FileSettings
from keras_ssl.workflows.search import read_image


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    images, _ = keras_ssl.data.colored_digits("train", count=30)
    path = tmp_path_factory.mktemp("search") / "features.npz"
    keras_ssl.embed("barlow_digits", images, out=path)
    return images, path


def test_results_are_those_of_scikit_learn(embedded):
    images, path = embedded
    features = keras_ssl.embed("barlow_digits", images)
    found = search(images[7], path, "barlow_digits", count=6)
    near = NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute").fit(features)
    distances, rows = near.kneighbors(features[7:8])
    assert [item.row for item in found] == rows[0].tolist() and found[0].row == 7
    np.testing.assert_allclose([item.similarity for item in found], 1 - distances[0], atol=1e-5)
    assert [item.rank for item in found] == [1, 2, 3, 4, 5, 6] and found[0].name == "7"
    assert len(search(images[7], path, "barlow_digits", count=100)) == 30


def test_a_file_is_resized_to_the_size_of_training(embedded, tmp_path):
    images, path = embedded
    enlarged = Image.fromarray(images[3]).resize((64, 64), Image.Resampling.NEAREST)
    enlarged.save(tmp_path / "query.png")
    found = search(tmp_path / "query.png", path, "barlow_digits", count=1)
    assert found[0].row == 3 and found[0].similarity > 0.99


def test_refuses(embedded, tmp_path):
    images, path = embedded
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"`query` must be an image file .* Received: query="):
        search(tmp_path / "broken.jpg", path, "barlow_digits")
    with pytest.raises(ValueError, match=r"`query` must be an image file \(No such file"):
        search(tmp_path / "none.jpg", path, "barlow_digits")
    Image.fromarray(images[0]).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"`query` must be an image file .* Received: query="):
        search(tmp_path / "cut.png", path, "barlow_digits")
    with pytest.raises(ValueError, match="`features` must be an .npz file"):
        search(images[0], tmp_path / "broken.jpg", "barlow_digits")
    with pytest.raises(ValueError, match="count=0"):
        search(images[0], path, "barlow_digits", count=0)
    np.savez(tmp_path / "other.npz", features=np.zeros((2, 5), "float32"), names=np.array(["a", "b"]))
    with pytest.raises(ValueError, match="which gives 128 numbers. Received: .* with 5"):
        search(images[0], tmp_path / "other.npz", "barlow_digits")
    np.savez(tmp_path / "short.npz", features=np.zeros((2, 128), "float32"), names=np.array(["a"]))
    with pytest.raises(ValueError, match="1 names"):
        search(images[0], tmp_path / "short.npz", "barlow_digits")


def kinds():
    """Images as files hold them: bits, channels, color models, orientation."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 60000, 40, dtype="float64")[:, None] + rng.uniform(0, 5000, (40, 50))
    deep, color = Image.fromarray(ramp.astype("uint16")), Image.fromarray(rng.integers(0, 256, (40, 50, 3), "uint8"))
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "deep.png", lambda path: deep.save(path)
    yield "deep.tiff", lambda path: deep.save(path)
    yield "gray.jpg", lambda path: color.convert("L").save(path)
    yield "cmyk.jpg", lambda path: color.convert("CMYK").save(path)
    yield "clear.png", lambda path: color.convert("RGBA").save(path)
    yield "turned.jpg", lambda path: color.save(path, exif=turned)
    yield "photo.webp", lambda path: color.save(path)


@pytest.mark.parametrize(("name", "save"), list(kinds()), ids=[name for name, _ in kinds()])
def test_a_query_has_the_pixels_that_its_file_has_in_a_folder(tmp_path, name, save):
    pytest.importorskip("tensorflow")
    save(tmp_path / name)
    of_folder = keras_ssl.data.load_folder(tmp_path, size=16)[0][0]
    np.testing.assert_array_equal(read_image(tmp_path / name, FileSettings(16)), of_folder)
    assert of_folder.std() > 5
