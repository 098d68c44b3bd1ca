"""Stacks of bands: .npy and TIFF files that the test writes, on the scale of their type or of a declared range."""

import os
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_ssl

pytest.importorskip("tensorflow")
tifffile = pytest.importorskip("tifffile")
Image = pytest.importorskip("PIL.Image")

from keras_ssl.data import DamagedImagesError, band_file, from_folder, load_folder  # noqa: E402
from keras_ssl.data.band_folder import BandFolder, holds_stacks  # noqa: E402
from keras_ssl.data.image_folder import ImageFolder  # noqa: E402
from keras_ssl.layers.pixel_scale import ANY_VALUE  # noqa: E402
from keras_ssl.workflows.embed import encoder_of  # noqa: E402


def stack(height=12, width=10, bands=5, seed=0, dtype="uint16", top=10_000):
    return np.random.default_rng(seed).integers(0, top, (height, width, bands)).astype(dtype)


def write_stacks(folder, count=4, **kind):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        np.save(folder / f"{number}.npy", stack(seed=number, **kind))
    return np.stack([stack(seed=number, **kind) for number in range(count)])


@pytest.mark.parametrize("layout", ["last", "first", "tiff samples", "tiff planes", "tiff pages", "deflated"])
def test_layouts(tmp_path, layout):
    values, name = stack(), "a.npy" if "t" == layout[-1] else "a.tif"
    path = str(tmp_path / name)
    first = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    if layout in ("last", "first"):
        np.save(path, values if layout == "last" else first)
    elif layout == "tiff pages":
        with tifffile.TiffWriter(path) as writer:
            for band in first:
                writer.write(band, contiguous=True)
    else:
        planes = layout == "tiff planes"
        compression = {"compression": "zlib"} if layout == "deflated" else {}
        tifffile.imwrite(
            path,
            first if planes else values,
            photometric="minisblack",
            planarconfig="separate" if planes else "contig",
            **compression,
        )
    shape = band_file.band_shape(path)
    assert shape == (12, 10, 5, np.uint16) == band_file.band_shape(path, 5)
    np.testing.assert_array_equal(band_file.read_bands(path), values)
    with pytest.raises(OSError, match="4 bands"):
        band_file.band_shape(path, 4)


def test_bands_tell_where_they_lie(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((6, 4, 5)))
    assert band_file.band_shape(str(tmp_path / "a.npy"))[:3] == (6, 4, 5)
    assert band_file.band_shape(str(tmp_path / "a.npy"), 6)[:3] == (4, 5, 6)
    np.save(tmp_path / "b.npy", np.zeros((6, 4)))
    assert band_file.read_bands(str(tmp_path / "b.npy")).shape == (6, 4, 1)


@pytest.mark.parametrize(
    "dtype, value_range, expected",
    [
        ("uint8", None, lambda x: x / 255),
        ("uint16", None, lambda x: x / 65535),
        ("uint16", (0, 100), lambda x: (x / 100).clip(0, 1)),
        ("int16", (-100, 300), lambda x: ((x + 100) / 400).clip(0, 1)),
        ("float32", (0, 150), lambda x: (x / 150).clip(0, 1)),
        ("float64", ANY_VALUE, lambda x: x),
    ],
)
def test_type_or_range_decides_the_scale(tmp_path, dtype, value_range, expected):
    values = write_stacks(tmp_path, dtype=dtype, top=200, height=10)
    images = load_folder(tmp_path, size=10, value_range=value_range)[0]
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected(values.astype(float)), atol=1e-6)
    # Whatever lies beside it: the darkest alone is what it was among the others.
    for number in range(1, 4):
        (tmp_path / f"{number}.npy").unlink()
    np.testing.assert_array_equal(load_folder(tmp_path, size=10, value_range=value_range)[0], images[:1])


def test_no_data_is_zero_in_a_declared_range_and_an_error_without(tmp_path):
    values = np.full((4, 4, 2), 0.5, np.float32)
    values[0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    image = load_folder(tmp_path, size=4, value_range=(0, 2))[0][0]
    assert image[0, 0].tolist() == [0.0, 0.25]
    with pytest.raises(ValueError, match="`value_range` must be declared. .*Received: values from nan .*a.npy"):
        load_folder(tmp_path, size=4)


def test_types_without_a_range_are_refused_at_once(tmp_path):
    write_stacks(tmp_path, dtype="int32")
    with pytest.raises(ValueError, match="`value_range` must say .*int32.*Received: value_range=None"):
        BandFolder(tmp_path, size=4)
    for name in ("value_range", "bands"):
        with pytest.raises(ValueError, match=f"Received: {name}="):
            BandFolder(tmp_path, size=4, **{name: (3, 1) if name == "value_range" else 0})


def test_floats_outside_are_refused_with_the_file(tmp_path):
    write_stacks(tmp_path, dtype="float32")
    with pytest.raises(ValueError, match=r"Floats must lie in \[0, 1\].*Received: values from .*0.npy"):
        load_folder(tmp_path, size=4)


def test_center_square_is_resized_band_by_band(tmp_path):
    values = write_stacks(tmp_path, 1, height=40, width=64, bands=2, dtype="uint8", top=255)[0]
    image = load_folder(tmp_path, size=8)[0][0]
    for band in range(2):
        square = Image.fromarray(values[:, 12:52, band].astype(np.float32) / 255)
        expected = np.asarray(square.resize((8, 8), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(image[..., band], expected, atol=1e-6)


def test_what_does_not_fit_is_counted_and_named(tmp_path, write_images):
    write_stacks(tmp_path, 6)
    np.save(tmp_path / "6.npy", np.zeros((8, 8, 3), np.uint16))
    (tmp_path / "7.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "8.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-9])
    os.mkfifo(tmp_path / "9.npy")
    write_images(tmp_path, 2)
    with pytest.warns(UserWarning) as caught:
        images = load_folder(tmp_path, size=4, max_damaged=0.9)[0]
    messages = " ".join(str(warning.message) for warning in caught)
    assert len(images) == 6
    assert "Left out 2 files" in messages and "2 .png" in messages
    assert all(f"'{number}.npy'" in messages for number in (6, 7, 8, 9))
    with pytest.raises(DamagedImagesError, match="6.npy"):
        BandFolder(tmp_path, size=4)


def test_photographs_stay_photographs(tmp_path, write_images):
    write_images(tmp_path / "photos", 3, "tif")
    np.save(tmp_path / "photos" / "9.npy", stack())
    assert not holds_stacks(tmp_path / "photos")
    with pytest.warns(UserWarning, match="Left out 1 file below .*: 1 .npy"):
        assert load_folder(tmp_path / "photos", size=4)[0].shape == (3, 4, 4, 3)
    with pytest.raises(ValueError, match="Received: value_range="):
        load_folder(tmp_path / "photos", size=4, value_range=(0, 1))
    rgb = stack(bands=4, dtype="uint8", top=255, height=8, width=8)
    (tmp_path / "four").mkdir()
    tifffile.imwrite(tmp_path / "four" / "a.tif", rgb, photometric="rgb", extrasamples=["unspecified"])
    assert not holds_stacks(tmp_path / "four")
    np.testing.assert_allclose(load_folder(tmp_path / "four", size=8, bands=4)[0][0], rgb / 255, atol=1e-6)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("bands", [1, 3])
def test_deep_tiff_photographs(tmp_path, planar, bands):
    """16 bits of gray or colors, in planes too, which Pillow cannot read: the upper byte."""
    values = stack(bands=bands, height=10, top=65536)
    kind = {} if bands == 1 else {"photometric": "rgb", "planarconfig": planar}
    stored = values[..., 0] if bands == 1 else np.moveaxis(values, -1, 0) if planar == "separate" else values
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(stored), **kind)
    assert isinstance(from_folder(tmp_path, size=10, batch_size=1).source, ImageFolder)
    np.testing.assert_array_equal(load_folder(tmp_path, size=10)[0][0], np.broadcast_to(values >> 8, (10, 10, 3)))


def test_without_tifffile_the_remedy_is_named(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(stack(), -1, 0), photometric="minisblack", planarconfig="separate")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.warns(UserWarning, match=r"Pillow cannot open .*a.tif'. .*keras_ssl\[bands\]"):
        with pytest.raises(DamagedImagesError, match="a.tif"):
            load_folder(tmp_path, size=4)
    with pytest.raises(ImportError, match=r"keras_ssl\[bands\]"):
        load_folder(tmp_path, size=4, bands=5)


def test_batches_classes_and_crops(tmp_path):
    for name in ("x", "y"):
        write_stacks(tmp_path / name, 5)
    data = from_folder(tmp_path, size=6, batch_size=4, seed=3, value_range=(0, 10_000))
    assert data.class_names == ("x", "y")
    batch = data[1]
    order = keras_ssl.random.permutation(10, 3, 0)[4:8]
    np.testing.assert_array_equal(batch["index"], order)
    np.testing.assert_array_equal(batch["y"], order // 5)
    images = load_folder(tmp_path, size=6, value_range=(0, 10_000))[0]
    np.testing.assert_array_equal(batch["x"], images[order])
    with pytest.raises(ValueError, match="`crops` is for photographs.*Received"):
        from_folder(tmp_path, size=6, batch_size=4, crops=keras_ssl.views.simclr(size=6, color=False))


@pytest.mark.slow
def test_from_a_folder_to_features_and_a_search(tmp_path):
    write_stacks(tmp_path / "tiles", 20, height=20, width=20, bands=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras_ssl.pretrain(
            tmp_path / "tiles", out=tmp_path / "run", value_range=(0, 10_000), epochs=1, batch_size=8, verbose=0
        )
        recipe = keras_ssl.Recipe.read(tmp_path / "run" / "recipe.toml")
    assert recipe.sections["data"]["bands"] == 6 and recipe.sections["data"]["value_range"] == [0, 10_000]
    assert model.encoder.input_shape[-1] == 6
    features = keras_ssl.embed(model, tmp_path / "tiles")
    expected = model.predict(load_folder(tmp_path / "tiles", size=model.image_size, value_range=(0, 10_000))[0])
    np.testing.assert_allclose(features, expected, atol=1e-5)
    other = keras_ssl.embed(model, tmp_path / "tiles", value_range=(0, 65_535))
    assert np.abs(other - features).max() > 1e-3
    # A new process knows the folder alone.
    keras_ssl.embed(tmp_path / "run", tmp_path / "tiles", out=tmp_path / "features.npz")
    with np.load(tmp_path / "features.npz") as file:
        np.testing.assert_allclose(file["features"], features, atol=1e-5)
    found = keras_ssl.workflows.search(
        tmp_path / "tiles" / "7.npy", tmp_path / "features.npz", tmp_path / "run", count=1
    )
    assert found[0].name == "7.npy" and found[0].similarity > 1 - 1e-5


@pytest.mark.slow
def test_an_encoder_of_measurements_gets_them_as_they_are(tmp_path):
    values = write_stacks(tmp_path / "tiles", 4, height=16, width=16, bands=2)
    encoder = keras_ssl.encoders.ConvNet(widths=[4, 8], input_shape=(16, 16, 2))
    preprocessing = keras_ssl.layers.ImagePreprocessing(0.0, 10_000.0, value_range=ANY_VALUE)
    model = keras_ssl.SimCLR(
        encoder,
        projector=(8, 4),
        value_range=(0, 20_000),
        preprocessing=preprocessing,
        views=keras_ssl.views.simclr(color=False),
    )
    model(keras.ops.zeros((1, 16, 16, 2)))
    keras_ssl.export(model, tmp_path / "entry")
    features = keras_ssl.embed(tmp_path / "entry", tmp_path / "tiles")
    expected = keras.ops.convert_to_numpy(encoder(values.astype("float32") / 10_000, training=False))
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_bands_of_other_data_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`bands` is for folders of stacks .*Received: bands"):
        keras_ssl.pretrain(np.zeros((20, 8, 8, 3), "uint8"), out=tmp_path, bands=3)
    with pytest.raises(ValueError, match="`value_range` is for folders of stacks"):
        keras_ssl.pretrain("colored_digits", out=tmp_path, value_range=(0, 1))


@pytest.mark.parametrize("value_range", [None, (-1.0, 1.0)])
def test_a_declared_range_of_a_model_is_none_of_photographs(value_range):
    """The range that a model of colors declares is one of arrays: photographs are read as ever."""
    encoder = keras_ssl.encoders.ConvNet(widths=[4, 8])
    model = keras_ssl.SimCLR(encoder, projector=(8, 4), value_range=value_range)
    assert encoder_of(model)[1].value_range is None
    bands = keras_ssl.encoders.ConvNet(widths=[4, 8], input_shape=(16, 16, 2))
    views = keras_ssl.views.simclr(color=False)
    model = keras_ssl.SimCLR(bands, projector=(8, 4), value_range=value_range, views=views)
    assert encoder_of(model)[1].value_range == (None if value_range is None else ANY_VALUE)
