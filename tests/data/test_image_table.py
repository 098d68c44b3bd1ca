"""Image files that a Parquet table names."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from keras_ssl.data import image_table
from keras_ssl.data.image_table import ImageTable, read_table
from keras_ssl.hub.recipe_data import data_source

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    """Six images of one gray each, in two folders."""
    for number in range(6):
        path = tmp_path / "images" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((10, 12, 3), 40 * number, "uint8")).save(path)
    return tmp_path


def table(folder, **columns):
    parquet.write_table(arrow.table(columns), folder / "photos.parquet")
    return folder / "photos.parquet"


def paths(numbers):
    return [f"images/{number % 2}/{number}.png" for number in numbers]


def grays(source):
    batch = next(iter(source.stream(np.arange(len(source)), len(source))))
    return batch.images[:, 0, 0, 0].tolist()


def test_reads_the_files_in_the_order_of_the_rows(folder):
    absolute = str(folder / "images" / "1" / "5.png")
    source = ImageTable(table(folder, path=[*paths([4, 0, 3]), absolute]), 8)
    assert grays(source) == [160, 0, 120, 200] and source.labels is None
    assert source.name(0) == "images/0/4.png"


def test_classes_come_from_a_column(folder):
    path = table(folder, image_path=paths([3, 1, 2]), label=["dog", "cat", "dog"])
    source = ImageTable(path, 8)
    assert source.class_names == ("cat", "dog") and source.read_labels().tolist() == [1, 0, 1]
    assert not ImageTable(path, 8, labelled=False).labelled
    files, (names, numbers) = read_table(path)
    assert files == paths([3, 1, 2]) and names == ("cat", "dog") and numbers.tolist() == [1, 0, 1]
    images = data_source(str(path)).read(size=8)
    assert images.x.shape == (3, 8, 8, 3) and images.y.tolist() == [1, 0, 1] and images.classes == ("cat", "dog")


def test_what_is_not_there_counts_as_damaged(folder):
    path = table(folder, path=[*paths([0, 1]), "images/none.png"], label=[5, 6, 7])
    with pytest.raises(ValueError, match="1 of 3 image files"):
        ImageTable(path, 8)
    with pytest.warns(UserWarning, match="images/none.png"):
        source = ImageTable(path, 8, max_damaged=0.5)
    assert grays(source) == [0, 40] and source.read_labels().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"address": ["a.png"]}, {}, "column=None, .* with address"),
        ({"path": ["a.png"]}, {"column": "paht"}, "`column` must name the column of the paths, paht"),
        ({"path": arrow.array([], arrow.string())}, {}, "at least one"),
        ({"path": ["a.png", None]}, {}, "a path in every row"),
        ({"path": [1, 2]}, {}, "a path in every row"),
        ({"path": paths([0])}, {"labelled": True}, "must have a column label or class"),
        ({"path": paths([0])}, {"labelled": "yes"}, "labelled='yes'"),
    ],
)
def test_refuses(folder, columns, options, message):
    with pytest.raises(ValueError, match=message):
        ImageTable(table(folder, **columns), 8, **options)


def test_refuses_what_is_no_table(tmp_path):
    (tmp_path / "photos.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match="cannot be read .* Received: path="):
        ImageTable(tmp_path / "photos.parquet", 8)


def test_a_long_table_takes_little_more_than_its_texts(tmp_path, monkeypatch):
    """A list of the paths, or of where each ends, would be several times as large."""
    count, length = 200_000, 30
    names = [f"folder/image_{number:013d}.jpg" for number in range(count)]
    path = table(tmp_path, path=names, label=[number % 7 for number in range(count)])
    del names
    monkeypatch.setattr(image_table, "_ROWS", 1000)
    tracemalloc.start()
    files, (kinds, numbers) = read_table(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(files) == count and files[12345] == "folder/image_0000000012345.jpg" and len(files[0]) == length
    assert kinds == tuple("0123456") and numbers[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert peak < 2 * count * (length + 8 + 4)  # text, ends and labels; growing may hold what there was besides
