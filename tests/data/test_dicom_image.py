"""DICOM files that the test writes: their declared scale decides, whatever their pixels are."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pydicom = pytest.importorskip("pydicom")

from keras_ssl.data import DamagedImagesError, dicom_image, from_folder, load_folder, write_tfrecords  # noqa: E402
from keras_ssl.data.from_tfrecords import from_tfrecords  # noqa: E402
from keras_ssl.data.image_folder import ImageFolder  # noqa: E402
from keras_ssl.data.other_image import image_sides  # noqa: E402

pytestmark = pytest.mark.once


def write(path, pixels, bits=16, signed=False, kind="MONOCHROME2", **fields):
    """A DICOM file of stored values, uncompressed."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data = pydicom.Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    color = kind == "RGB"
    data.Rows, data.Columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    data.SamplesPerPixel = 3 if color else 1
    if color:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = kind
    data.BitsAllocated, data.BitsStored = pixels.dtype.itemsize * 8, bits
    data.HighBit, data.PixelRepresentation = bits - 1, int(signed)
    data.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def read(path):
    return dicom_image.dicom_pixels(path.read_bytes())


def test_stored_bits_are_the_range_without_a_window(tmp_path):
    stored = np.array([[0, 1000], [2000, 4095]], np.uint16)
    write(tmp_path / "a.dcm", stored, bits=12)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), np.round(stored / 4095 * 255))
    write(tmp_path / "b.dcm", stored // 4, bits=12)  # darker, and not stretched to what it was
    assert read(tmp_path / "b.dcm").max() == round(1023 / 4095 * 255)


def test_signed_values_and_rescaling(tmp_path):
    stored = np.array([[-2048, 0], [1024, 2047]], np.int16)
    expected = np.round((stored + 2048.0) / 4095 * 255)
    write(tmp_path / "a.dcm", stored, bits=12, signed=True)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), expected)
    write(tmp_path / "b.dcm", stored, bits=12, signed=True, RescaleSlope=2, RescaleIntercept=-7)
    np.testing.assert_array_equal(read(tmp_path / "b.dcm"), expected)  # range and values move together
    write(tmp_path / "c.dcm", stored, bits=12, signed=True, RescaleSlope=-1, RescaleIntercept=0)
    np.testing.assert_array_equal(read(tmp_path / "c.dcm"), 255 - expected)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_first_window_decides(tmp_path, function):
    """Hounsfield units by slope and intercept, seen through a window of soft tissue."""
    units = np.array([[-1000, -160], [-60, 39], [40, 140], [239, 3000]], float)
    window = {"WindowCenter": [40, 500], "WindowWidth": [400, 2000]}
    fields = window if function is None else {**window, "VOILUTFunction": function}
    write(tmp_path / "a.dcm", (units + 1024).astype(np.uint16), RescaleSlope=1, RescaleIntercept=-1024, **fields)
    if function == "SIGMOID":
        unit = 1 / (1 + np.exp(-4 * (units - 40) / 400))
    elif function == "LINEAR_EXACT":
        unit = (units - 40) / 400 + 0.5
    else:
        unit = (units - 39.5) / 399 + 0.5
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), np.round(unit.clip(0, 1) * 255))


def test_pydicom_windows_alike(tmp_path):
    """Its own window on values without a slope: the same picture, but for rounding."""
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    write(tmp_path / "a.dcm", stored, bits=12, WindowCenter=1500, WindowWidth=900)
    windowed = pydicom.pixels.apply_windowing(stored, pydicom.dcmread(tmp_path / "a.dcm"))
    assert np.abs(windowed / 4095 * 255 - read(tmp_path / "a.dcm")).max() <= 0.51


def test_inverted_gray_and_colors(tmp_path):
    stored = np.array([[0, 100], [200, 255]], np.uint8)
    write(tmp_path / "a.dcm", stored, bits=8, kind="MONOCHROME1")
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), 255 - stored)
    write(tmp_path / "w.dcm", stored, bits=8, kind="MONOCHROME1", WindowCenter=128, WindowWidth=256)
    np.testing.assert_array_equal(read(tmp_path / "w.dcm"), 255 - stored)
    colors = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    write(tmp_path / "b.dcm", colors, bits=8, kind="RGB")
    np.testing.assert_array_equal(read(tmp_path / "b.dcm"), colors)


def test_the_first_of_several_frames(tmp_path):
    frames = np.stack([np.full((4, 4), value, np.uint8) for value in (10, 200)])
    write(tmp_path / "a.dcm", frames, bits=8, NumberOfFrames=2)
    np.testing.assert_array_equal(read(tmp_path / "a.dcm"), frames[0])


@pytest.fixture
def mixed(tmp_path, write_images):
    """A folder of PNG and DICOM files, two of which are damaged."""
    folder = tmp_path / "scans"
    write_images(folder, 3, size=(8, 8))
    for number in range(3):
        write(folder / f"1{number}.DCM", np.full((8, 8), 40 * number, np.uint8), bits=8)
    (folder / "2.dcm").write_bytes(b"no DICOM file")
    content = (folder / "12.DCM").read_bytes()
    (folder / "3.dicom").write_bytes(content[:-20])
    return folder


def test_beside_other_images(mixed, tmp_path):
    with pytest.warns(UserWarning, match="2.dcm"):
        images = load_folder(mixed, size=8, max_damaged=0.5)[0]
    np.testing.assert_array_equal(images[:, 0, 0], np.repeat([[0], [1], [2], [0], [40], [80]], 3, axis=1))
    with pytest.warns(UserWarning, match="3.dicom"):
        data = from_folder(mixed, size=8, batch_size=3, shuffle=False, max_damaged=0.5)
        assert [data[number]["x"].shape for number in range(2)] == [(3, 8, 8, 3)] * 2
        data[len(data) - 1]
        data.source.skip([])
        list(data.source.stream(np.arange(len(data.source)), 4))
    with pytest.raises(DamagedImagesError, match="2.dcm"):
        ImageFolder(mixed, size=8)
    for name in ("2.dcm", "3.dicom"):
        (mixed / name).unlink()
    write_tfrecords(mixed, tmp_path / "shards", shards=2)
    shards = from_tfrecords(tmp_path / "shards", size=8, batch_size=6, shuffle=False)
    np.testing.assert_array_equal(shards[0]["x"], images)
    assert image_sides(str(mixed / "10.DCM")) == (8, 8)


def test_without_pydicom_they_are_counted_and_the_remedy_named(mixed, monkeypatch):
    monkeypatch.setattr(dicom_image, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match=r"Left out 5 files below .*: 4 .dcm, 1 .dicom \(.*keras_ssl\[dicom\]"):
        folder = ImageFolder(mixed, size=8)
    assert folder.files == ["0000.png", "0001.png", "0002.png"]
