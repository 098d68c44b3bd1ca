import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")

from sklearn.datasets import load_sample_images  # noqa: E402

from keras_ssl.data import from_folder, from_tfrecords, write_tfrecords  # noqa: E402
from keras_ssl.data.crop_plan import CropPlan  # noqa: E402
from keras_ssl.data.crop_reader import lying_boxes, upright_image  # noqa: E402
from keras_ssl.random import Stream  # noqa: E402
from keras_ssl.views import Compose, MultiView, RandomFlip, RandomResizedCrop, byol, simclr, swav  # noqa: E402
from keras_ssl.views.after_crop import leading, pipelines_of  # noqa: E402
from keras_ssl.views.functional import crop_and_resize  # noqa: E402

ORIENTATION = 0x0112


def write_photos(folder, count=16, height=(60, 190), width=(60, 190)):
    """Parts of photographs: JPEG files in all eight orientations, and some PNG files."""
    photos = load_sample_images().images
    draws = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        high, wide = int(draws.integers(*height)), int(draws.integers(*width))
        top, left = int(draws.integers(0, 428 - high)), int(draws.integers(0, 641 - wide))
        image = Image.fromarray(photos[number % 2][top : top + high, left : left + wide])
        if number % 5 == 4:
            image.save(folder / f"{number:02d}.png")
        else:
            exif = Image.Exif()
            exif[ORIENTATION] = number % 8 + 1
            image.save(folder / f"{number:02d}.jpg", quality=90, exif=exif, subsampling=number % 3)
    return folder


def whole_image(data, number):
    """The image as it is read without `crops`, upright: every pixel of it."""
    encoded, _, orientation = data.source.encoded(data.source.feed(np.array([number]))[0][0], 0)
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    return upright_image(image, orientation)


def boxes_of_step(views, seed, step, positions, height, width):
    """What the crops of a step draw, by its stream: int `[views, N, 4]`."""
    stream = Stream(seed, step, positions)
    images = np.zeros((len(positions), 8, 8, 3), "float32")
    boxes = []
    for pipeline in pipelines_of(views):
        crop = leading(pipeline)
        own = Stream(seed, step, positions, first_draw=stream.next_draw)
        boxes.append(np.stack([keras.ops.convert_to_numpy(part) for part in crop.boxes(own, height, width)], axis=1))
        pipeline.apply(images, stream)
    return np.array(boxes)


@pytest.mark.parametrize("views", [byol(8), swav(8, 4, local_copies=2), RandomResizedCrop(8, (0.9, 1.0), (1.9, 2.0))])
def test_boxes_are_those_of_the_step_to_the_bit(views):
    plan = CropPlan(views, size=8)
    positions = np.array([0, 1, 5, 300, 70000])
    for seed, step in ((0, 0), (5, 17), (2**32 - 1, 2**31 - 1)):
        shapes = plan.shapes(seed, step, positions)
        for height, width in ((375, 500), (37, 1000), (2500, 1300), (1, 1)):
            got = np.stack([plan.boxes(shapes, row, height, width) for row in range(len(positions))], axis=1)
            np.testing.assert_array_equal(got, boxes_of_step(views, seed, step, positions, height, width))


@pytest.mark.once
def test_crops_are_those_of_the_whole_image(tmp_path):
    """A level of 255 is the bound: Pillow rounds to uint8 between columns and rows, and at the end; each is half."""
    views = MultiView([Compose([RandomResizedCrop(48), RandomFlip(0.5)]), RandomResizedCrop((40, 56), (0.05, 0.3))])
    data = from_folder(write_photos(tmp_path / "photos"), size=48, batch_size=8, seed=3, crops=views, epoch=1)
    for number in range(2):
        batch = data[number]
        assert sorted(batch) == ["box", "index", "x"] and [view.shape for view in batch["x"]] == [
            (8, 48, 48, 3),
            (8, 40, 56, 3),
        ]
        for row, file in enumerate(batch["index"]):
            image = whole_image(data, file)
            boxes = boxes_of_step(views, 3, 2 + number, np.array([row]), *image.shape[:2])[:, 0]
            np.testing.assert_array_equal(batch["box"][row], [[*box, *image.shape[:2]] for box in boxes])
            for view, box in zip(batch["x"], boxes, strict=True):
                expected = crop_and_resize(image[None].astype("float32"), *box[:, None], view.shape[1:3])[0]
                assert np.abs(keras.ops.convert_to_numpy(expected) - view[row]).max() <= 1.001


@pytest.mark.once
def test_bicubic_crops_differ_by_rounding_where_they_do_not_overshoot(tmp_path):
    data = from_folder(write_photos(tmp_path / "photos"), size=48, batch_size=16, crops=simclr())
    batch = data[0]
    differences = []
    for row, file in enumerate(batch["index"]):
        image = whole_image(data, file)[None].astype("float32")
        for number, view in enumerate(batch["x"]):
            box = batch["box"][row, number, :4, None]
            expected = np.clip(crop_and_resize(image, *box, (48, 48), "bicubic")[0], 0, 255)
            differences.append(np.abs(expected - view[row]))
    differences = np.array(differences)
    # Pillow cuts off between rows and columns what overshoots, which is a pixel in thousands.
    assert differences.mean() < 0.3 and (differences > 1.0).mean() < 0.005


@pytest.mark.once
def test_much_larger_crops_are_reduced_by_the_decoder(tmp_path):
    photo = Image.fromarray(load_sample_images().images[0])
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        photo.save(tmp_path / f"{orientation}.jpg", quality=95, exif=exif)
    data = from_folder(tmp_path, size=24, batch_size=8, crops=MultiView([RandomResizedCrop((24, 30), (0.5, 1.0))]))
    reduced = []
    reader = data._reader
    decode = reader._tf.raw_ops.DecodeAndCropJpeg

    class Spy:
        class raw_ops:
            ExtractJpegShape = reader._tf.raw_ops.ExtractJpegShape

            @staticmethod
            def DecodeAndCropJpeg(**arguments):
                reduced.append(arguments["ratio"])
                return decode(**arguments)

        errors = reader._tf.errors

    reader._tf = Spy
    batch = data[0]
    assert sorted(set(reduced)) in ([4], [4, 8]), reduced
    for row, file in enumerate(batch["index"]):
        image = whole_image(data, file)[None].astype("float32")
        expected = crop_and_resize(image, *batch["box"][row, 0, :4, None], (24, 30))[0]
        difference = np.abs(keras.ops.convert_to_numpy(expected) - batch["x"][0][row])
        assert difference.mean() < 2.0 and np.percentile(difference, 99) < 8.0


@pytest.mark.once
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_upright_images_are_found_in_the_file(orientation):
    image = np.arange(5 * 7 * 3).reshape(5, 7, 3)
    upright = upright_image(image, orientation)
    box = np.array([[1, 2, 3, 2]])
    ((top, left, height, width),) = lying_boxes(box, orientation, *upright.shape[:2])
    cut = upright_image(image[top : top + height, left : left + width], orientation)
    np.testing.assert_array_equal(cut, upright[1:4, 2:4])


@pytest.mark.once
def test_shards_give_the_crops_of_the_files(tmp_path):
    write_tfrecords(write_photos(tmp_path / "photos"), tmp_path / "shards", shards=3)
    options = {"size": 24, "batch_size": 4, "seed": 2, "crops": simclr()}
    files, shards = from_folder(tmp_path / "photos", **options), from_tfrecords(tmp_path / "shards", **options)
    for number in range(4):
        keras.tree.map_structure(np.testing.assert_array_equal, files[number], shards[number])


@pytest.mark.once
def test_any_batch_of_any_epoch_can_be_read_first(tmp_path):
    write_photos(tmp_path / "photos")
    options = {"size": 16, "batch_size": 4, "crops": simclr()}
    for shuffle in (True, False):
        data = from_folder(tmp_path / "photos", shuffle=shuffle, **options)
        read = []
        for _ in range(3):
            read.append(list(data))
            data.on_epoch_end()
        assert not np.array_equal(read[0][0]["box"], read[1][0]["box"])
        resumed = from_folder(tmp_path / "photos", shuffle=shuffle, epoch=2, **options)
        resumed.first_batch = 3
        keras.tree.map_structure(np.testing.assert_array_equal, resumed[0], read[2][3])
        resumed.first_batch, resumed.epoch = 0, 1
        keras.tree.map_structure(np.testing.assert_array_equal, resumed[2], read[1][2])
        resumed.follow(0, 100)  # another training has come before
        assert not np.array_equal(resumed[2]["box"], read[1][2]["box"])
        resumed.follow(0, None)  # an evaluation: the steps of every epoch are 0, 1, 2 ...
        if not shuffle:
            np.testing.assert_array_equal(resumed[2]["box"], read[0][2]["box"])


@pytest.mark.once
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_workers_read_the_parts_of_the_batches(tmp_path, drop_remainder):
    write_photos(tmp_path / "photos", count=18)
    options = {"size": 16, "batch_size": 8, "crops": simclr(), "drop_remainder": drop_remainder}
    whole = list(from_folder(tmp_path / "photos", **options))
    parts = []
    for worker in range(2):
        data = from_folder(tmp_path / "photos", **options)
        data.take_part(worker, 2)
        parts.append(list(data))
    assert len(whole) == len(parts[0]) == (2 if drop_remainder else 3)
    for batch, first, second in zip(whole, *parts, strict=True):
        joined = keras.tree.map_structure(lambda *halves: np.concatenate(halves), first, second)
        keras.tree.map_structure(np.testing.assert_array_equal, batch, joined)


@pytest.mark.once
def test_a_good_image_stands_in_for_a_damaged_one(tmp_path):
    write_photos(tmp_path / "photos", count=10)
    data = from_folder(tmp_path / "photos", size=16, batch_size=5, shuffle=False, crops=simclr(), max_damaged=0.5)
    (tmp_path / "photos" / "01.jpg").unlink()
    file = tmp_path / "photos" / "04.png"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=r"'01.jpg', '04.png'"):
        batch = data[0]
    np.testing.assert_array_equal(batch["index"], [0, 2, 2, 3, 0])
    np.testing.assert_array_equal(batch["x"][1][1], batch["x"][1][2])
    assert data.skipped == ["01.jpg", "04.png"]
    with pytest.raises(ValueError, match="More than 1 % of the image files cannot be decoded"):
        (tmp_path / "photos" / "00.jpg").write_bytes(b"\xff\xd8" + 100 * b"\0")
        data.source.max_damaged = 0.01
        data.epoch = 1
        data[0]


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Skipped damaged")
def test_a_damaged_record_is_met_as_a_damaged_file(tmp_path):
    write_tfrecords(write_photos(tmp_path / "photos", count=8), tmp_path / "shards", shards=1)
    (shard,) = (tmp_path / "shards").glob("*.tfrecord")
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    content = shard.read_bytes()
    assert content.count(records[3]) == 1
    for damaged in (len(records[3]) * b"\xff", records[3][:40] + b"\0" * (len(records[3]) - 40)):
        shard.write_bytes(content.replace(records[3], damaged))
        data = from_tfrecords(
            tmp_path / "shards", size=16, batch_size=4, shuffle=False, crops=simclr(), max_damaged=0.5
        )
        np.testing.assert_array_equal(data[0]["index"], [0, 1, 2, 0])


@pytest.mark.once
def test_crops_must_come_first(tmp_path):
    write_photos(tmp_path / "photos", count=4)
    for views in (MultiView([RandomFlip(0.5)]), Compose([RandomFlip(0.5), RandomResizedCrop(8)]), "simclr"):
        with pytest.raises(ValueError, match=r"Argument `crops` must .*begins with.*Received: crops="):
            from_folder(tmp_path / "photos", size=16, batch_size=4, crops=views)


@pytest.mark.once
def test_whole_images_stay_squares(tmp_path):
    write_photos(tmp_path / "photos", count=4)
    data = from_folder(tmp_path / "photos", size=16, batch_size=4, shuffle=False, crops=simclr(8))
    plain = from_folder(tmp_path / "photos", size=16, batch_size=4, shuffle=False)
    np.testing.assert_array_equal(data.inputs()[0][0], plain[0]["x"])
