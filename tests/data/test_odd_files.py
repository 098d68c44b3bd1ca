"""Folders as people have them: FIFOs, devices, loops, other formats, names in Latin-1, photos taken sideways."""

import io
import json
import os
import socket
import struct
import warnings

import numpy as np
import pytest

pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")

from keras_ssl.data import (  # noqa: E402
    DamagedImagesError,
    from_folder,
    from_tfrecords,
    image_header,  # noqa: E402
    load_folder,
    write_tfrecords,
)
from keras_ssl.data.image_folder import ImageFolder  # noqa: E402
from keras_ssl.data.read_at import read_at  # noqa: E402
from keras_ssl.data.utf8_name import utf8_name  # noqa: E402


def pixels(height=24, width=24, seed=0):
    """A smooth image without symmetry, which JPEG keeps well."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return (np.dstack([x, y, x * y + seed / 10]) * 200 + 20).clip(0, 255).astype(np.uint8)


def special_files(folder):
    """One of each kind that is no file; their names."""
    os.mkfifo(folder / "fifo.png")
    os.symlink("/dev/zero", folder / "zero.png")
    os.symlink(folder / "fifo.png", folder / "link.jpg")
    os.symlink("/dev/tty", folder / "tty.webp")
    os.symlink(folder / "nowhere", folder / "dangling.tif")
    os.symlink("itself.png", folder / "itself.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "s.png"))
    server.close()
    return ["dangling.tif", "fifo.png", "link.jpg", "s.png", "tty.webp", "zero.png"], "itself.png"


def test_what_is_no_file_is_named_and_never_read(tmp_path, write_images):
    write_images(tmp_path, 3)
    odd, circle = special_files(tmp_path)
    with pytest.warns(UserWarning) as caught:
        folder = ImageFolder(tmp_path, size=4, max_damaged=1)
    assert folder.skipped == odd
    assert folder.files == ["0000.png", "0001.png", "0002.png"]
    assert any(f"lead in a circle: '{circle}'" in str(warning.message) for warning in caught)
    with pytest.raises(DamagedImagesError, match="`max_damaged=0.67`; .*Received: .*max_damaged=0.01") as raised:
        ImageFolder(tmp_path, size=4)
    assert raised.value.damaged == odd


def test_a_huge_file_is_not_read(tmp_path, write_images):
    write_images(tmp_path, 1)
    with open(tmp_path / "sparse.jpg", "wb") as file:
        file.write(b"\xff\xd8")
        file.truncate(image_header.MAX_BYTES + 1)
    with pytest.warns(UserWarning, match="sparse.jpg"):
        assert len(ImageFolder(tmp_path, size=4, max_damaged=1)) == 1


def test_loops_do_not_refuse_the_folder_nor_make_a_class(tmp_path, write_images):
    for name in ("a", "b"):
        write_images(tmp_path / name, 2)
    os.symlink(tmp_path, tmp_path / "up")
    os.symlink("loop", tmp_path / "loop")
    os.symlink("inner", tmp_path / "a" / "inner")
    with pytest.warns(UserWarning, match="circle: 'loop', 'a/inner', 'up'"):
        folder = ImageFolder(tmp_path, size=4)
    assert folder.class_names == ("a", "b")
    assert len(folder) == 4


def test_shards_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "x.tfrecord")
    with pytest.raises(ValueError, match="Received: path"):
        from_tfrecords(tmp_path, size=4)
    (tmp_path / "x.tfrecord").unlink()
    (tmp_path / "x.tfrecord").write_bytes(b"")
    os.mkfifo(tmp_path / "dataset.json")
    with pytest.raises(ValueError, match="Received"):
        from_tfrecords(tmp_path, size=4, batch_size=1)


def test_latin_1_names_from_folder_to_shards(tmp_path, write_images):
    for name in (b"caf\xe9", b"the"):
        write_images(tmp_path / "photos" / os.fsdecode(name), 2)
    out = tmp_path / os.fsdecode(b"sch\xf6n")
    summary = write_tfrecords(tmp_path / "photos", out, shards=2)
    assert summary["class_names"] == ["caf\\xe9", "the"]
    assert json.loads((out / "dataset.json").read_text("utf-8")) == summary
    data = from_tfrecords(out, size=4, batch_size=4, shuffle=False, verify=True)
    assert data.class_names == from_folder(tmp_path / "photos", size=4, batch_size=4).class_names == ("caf\\xe9", "the")
    np.testing.assert_array_equal(data[0]["y"], [0, 0, 1, 1])


@pytest.mark.parametrize("name", ["plain", "é", "\udce9", "a\ud800", "\udcc3\udca9", "猫\udcff"])
def test_every_name_can_be_written(name):
    text = utf8_name(name)
    text.encode("utf-8")
    assert text == {"\udce9": "\\xe9", "a\ud800": "a\\ud800", "\udcc3\udca9": "é", "猫\udcff": "猫\\xff"}.get(
        name, name
    )


def encoded(image, **settings):
    stream = io.BytesIO()
    image.save(stream, **settings)
    return stream.getvalue()


RGB = Image.fromarray(pixels())
FORMATS = {
    "a.webp": encoded(RGB, format="WEBP", lossless=True),
    "animated.webp": encoded(RGB, format="WEBP", lossless=True, save_all=True, append_images=[RGB.rotate(90)]),
    "transparent.webp": encoded(RGB.convert("RGBA"), format="WEBP", lossless=True),
    "a.bmp": encoded(RGB, format="BMP"),
    "palette.bmp": encoded(RGB.quantize(16), format="BMP"),
    "bits.bmp": encoded(RGB.convert("1"), format="BMP"),
    "a.gif": encoded(RGB.quantize(200), format="GIF"),
    "animated.gif": encoded(RGB.quantize(200), format="GIF", save_all=True, append_images=[RGB.rotate(90).quantize(9)]),
    "a.tif": encoded(RGB, format="TIFF"),
    "packed.tiff": encoded(RGB, format="TIFF", compression="tiff_lzw"),
    "gray.tif": encoded(RGB.convert("L"), format="TIFF"),
    "deep.tif": encoded(Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257), format="TIFF"),
    "misnamed.jpg": encoded(RGB, format="TIFF"),
    "a.jfif": encoded(RGB, format="JPEG", quality=95, subsampling=0),
    "a.JPE": encoded(RGB, format="JPEG", quality=95, subsampling=0),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path, name):
    (tmp_path / name).write_bytes(FORMATS[name])
    image = load_folder(tmp_path, size=24)[0][0]
    if name == "deep.tif":
        expected = np.dstack([pixels()[..., 0]] * 3)
    else:
        expected = np.asarray(Image.open(io.BytesIO(FORMATS[name])).convert("RGB"))
    assert np.abs(image.astype(int) - expected).max() <= (8 if "j" in name[-4:].lower() and name[0] == "a" else 0)


def test_formats_beside_each_other_from_folder_and_shards(tmp_path):
    (tmp_path / "all").mkdir()
    for number, content in enumerate(FORMATS.values()):
        (tmp_path / "all" / f"{number:02d}.png").write_bytes(content)
    (tmp_path / "all" / "99.png").write_bytes(encoded(RGB, format="PNG"))
    images = load_folder(tmp_path / "all", size=10)[0]
    write_tfrecords(tmp_path / "all", tmp_path / "shards", shards=3)
    data = from_tfrecords(tmp_path / "shards", size=10, batch_size=16, shuffle=False)
    np.testing.assert_array_equal(data[0]["x"], images)


def test_damage_in_other_formats_is_met_as_elsewhere(tmp_path, write_images):
    write_images(tmp_path, 6, "tif", size=(40, 40))
    content = (tmp_path / "0003.tif").read_bytes()
    (tmp_path / "0003.tif").write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match="0003.tif"):
        images = load_folder(tmp_path, size=4, max_damaged=0.5)[0]
    np.testing.assert_array_equal(images[:, 0, 0, 0], [0, 1, 2, 4, 5])


def test_floating_tiff_has_no_known_range(tmp_path, write_images):
    write_images(tmp_path, 1)
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.warns(UserWarning, match="float.tif"):
        assert len(load_folder(tmp_path, size=4, max_damaged=0.5)[0]) == 1


def test_what_is_not_used_is_counted(tmp_path, write_images):
    write_images(tmp_path, 2)
    for name in ("1.heic", "2.HEIC", "3.avif", "scan.nef", "notes.txt", "labels.csv", "LICENSE", ".hidden.raw"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(UserWarning, match="Left out 4 files below .*: 2 .heic, 1 .avif, 1 .nef"):
        folder = ImageFolder(tmp_path, size=4)
    assert folder.unused == {".heic": 2, ".avif": 1, ".nef": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_images(tmp_path / "clean", 2)
        (tmp_path / "clean" / "notes.txt").write_text("a companion")
        ImageFolder(tmp_path / "clean", size=4)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.heic").write_bytes(b"")
    with pytest.raises(ValueError, match="must hold image files .*Received: path=.* with 1 .heic"):
        ImageFolder(tmp_path / "none", size=4)


@pytest.mark.parametrize("bad, allowed", [(1, 0.05), (2, 0.1)])
def test_share_of_damaged_files_is_an_argument(tmp_path, write_images, bad, allowed):
    write_images(tmp_path, 20)
    names = [f"{number:04d}.png" for number in range(bad)]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DamagedImagesError) as raised:
        from_folder(tmp_path, size=4, batch_size=4)
    assert raised.value.damaged == names
    with pytest.warns(UserWarning, match=f"{bad} of 20"):
        assert from_folder(tmp_path, size=4, batch_size=4, max_damaged=allowed).skipped == names
    with pytest.warns(UserWarning):
        assert write_tfrecords(tmp_path, tmp_path / "out", shards=1, max_damaged=allowed)["count"] == 20 - bad


@pytest.mark.parametrize("share", [-0.1, 1.5, "1 %", True, float("nan")])
def test_a_share_out_of_range_is_refused(tmp_path, write_images, share):
    write_images(tmp_path, 1)
    with pytest.raises(ValueError, match="Received: max_damaged="):
        from_folder(tmp_path, size=4, max_damaged=share)


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "TEST"), ("train", "validation", "test")])
def test_parts_that_are_taken_for_classes_are_named(tmp_path, write_images, names):
    for name in names:
        write_images(tmp_path / name, 1)
    with pytest.warns(UserWarning, match="look like the parts of a data set"):
        ImageFolder(tmp_path, size=4)
    write_images(tmp_path / "zebra", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFolder(tmp_path, size=4)


def exif(orientation, endian="<"):
    head = b"II*\0" if endian == "<" else b"MM\0*"
    tags = struct.pack(endian + "HHIHH", 0x010F, 3, 1, 7, 0) + struct.pack(
        endian + "HHIHH", 0x0112, 3, 1, orientation, 0
    )
    return b"Exif\0\0" + head + struct.pack(endian + "IH", 8, 2) + tags + bytes(4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_that_of_pillow(tmp_path, orientation):
    image, folder = Image.fromarray(pixels(19, 32)), tmp_path / "photos"
    folder.mkdir()
    for number, settings in enumerate(
        [
            {"format": "JPEG", "exif": exif(orientation)},
            {"format": "JPEG", "exif": exif(orientation, ">")},
            {"format": "JPEG", "exif": exif(orientation), "icc_profile": bytes(9000)},
            {"format": "PNG", "exif": exif(orientation)},
            {"format": "WEBP", "lossless": True, "exif": exif(orientation)},
            {"format": "TIFF", "tiffinfo": {0x0112: orientation}},
        ]
    ):
        (folder / f"{number}.jpg").write_bytes(encoded(image, **settings))
    side = 19
    images = load_folder(folder, size=side)[0]
    write_tfrecords(folder, tmp_path / "out", shards=2)
    records = from_tfrecords(tmp_path / "out", size=side, batch_size=6, shuffle=False)[0]["x"]
    np.testing.assert_array_equal(records, images)
    for number, found in enumerate(images):
        upright = ImageOps.exif_transpose(Image.open(folder / f"{number}.jpg")).convert("RGB")
        top, left = (upright.height - side) // 2, (upright.width - side) // 2
        expected = np.asarray(upright)[top : top + side, left : left + side]
        assert np.abs(found.astype(int) - expected).max() <= 3, number
    as_stored = load_folder(folder, size=side, exif_orientation=False)[0]
    assert (orientation == 1) == np.array_equal(as_stored, images)


def test_exif_far_from_the_beginning(tmp_path):
    """A long segment before the EXIF data, as some editors write."""
    content = encoded(Image.fromarray(pixels()), format="JPEG", exif=exif(6))
    comment = b"\xff\xfe" + (60002).to_bytes(2, "big") + bytes(60000)
    (tmp_path / "a.jpg").write_bytes(content[:2] + comment + content[2:])
    assert ImageFolder(tmp_path, size=4).codes.tolist() == [6]


@pytest.mark.parametrize(
    "damage", [b"", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"II*\0\x08\0\0\0\xff\xff" + bytes(30), b"JUNK" * 9]
)
def test_damaged_exif_is_upright(damage):
    assert image_header.exif_orientation(damage) == 1


def test_a_photo_without_exif_costs_the_reader_nothing(tmp_path, write_images):
    write_images(tmp_path, 2, "jpg")
    folder = ImageFolder(tmp_path, size=4)
    assert folder.feed(np.arange(2))[0] == [os.fsencode(tmp_path / name) for name in ("0000.jpg", "0001.jpg")]


def test_systems_without_pread(tmp_path, write_images, monkeypatch):
    write_images(tmp_path / "photos", 3)
    write_tfrecords(tmp_path / "photos", tmp_path / "out", shards=1)
    expected = from_tfrecords(tmp_path / "out", size=4, batch_size=3)[0]["x"]
    monkeypatch.delattr(os, "pread")
    np.testing.assert_array_equal(from_tfrecords(tmp_path / "out", size=4, batch_size=3)[0]["x"], expected)
    np.testing.assert_array_equal(from_folder(tmp_path / "photos", size=4, batch_size=3)[0]["x"], expected)
    with open(tmp_path / "out" / "dataset.json", "rb") as file:
        assert read_at(file.fileno(), 3, 2) == (tmp_path / "out" / "dataset.json").read_bytes()[2:5]
