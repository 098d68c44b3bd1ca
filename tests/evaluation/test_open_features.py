"""Features in files, read as one array."""

import json

import numpy as np
import pytest

from keras_ssl.evaluation import FeatureSet, find_neighbors, knn_predict, open_features
from keras_ssl.evaluation.open_features import MANIFEST

pytestmark = pytest.mark.once
COUNTS = (5, 0, 7, 1)


def write(folder, counts=COUNTS, width=3, **more):
    """Shards with rows of increasing numbers, and names of different lengths."""
    start = 0
    for shard, count in enumerate(counts):
        rows = np.arange(start, start + count)
        features = (rows[:, np.newaxis] + np.arange(width) / 10).astype("float32")
        names = np.array([f"{'x' * shard}{row}" for row in rows], np.str_)
        extra = {key: np.asarray(value)[rows] for key, value in more.items()}
        np.savez(folder / f"part-{shard}.npz", features=features, names=names, **extra)
        start += count


@pytest.fixture
def opened(tmp_path):
    write(tmp_path, labels=list("abcabcabcabca"))
    return open_features(tmp_path)


def test_reads_as_an_array_does(opened):
    whole = (np.arange(13)[:, np.newaxis] + np.arange(3) / 10).astype("float32")
    assert isinstance(opened, FeatureSet) and opened.shape == (13, 3) and len(opened) == 13 and opened.size == 39
    np.testing.assert_array_equal(np.asarray(opened), whole)
    mask = np.arange(13) % 3 == 0
    for rows in (
        slice(2, 9),
        slice(None),
        slice(9, 2),
        slice(None, None, -2),
        [12, 0, 5, 5],
        mask,
        4,
        -1,
        np.array([], int),
    ):
        found = opened[rows]
        np.testing.assert_array_equal(found, whole[rows])
        assert found.dtype == np.float32 and found.flags.aligned and found.flags.writeable
    assert np.asarray(opened, "float64").dtype == np.float64
    for row in (13, -14, [3, 13]):
        with pytest.raises(IndexError):
            opened[row]


def test_names_labels_and_numbers(opened):
    assert opened.names == ["0", "1", "2", "3", "4", *(f"xx{row}" for row in range(5, 12)), "xxx12"]
    assert [opened.name(row) for row in (12, 4, 5, -1)] == ["xxx12", "4", "xx5", "xxx12"]
    with pytest.raises(IndexError):
        opened.name(13)
    assert opened.labels.tolist() == list("abcabcabcabca") and opened.numbers.tolist() == list(range(13))


def test_functions_of_features_take_it(opened):
    near, nearest = find_neighbors(opened[[7]], opened, k=3)
    np.testing.assert_array_equal(nearest, find_neighbors(opened[[7]], np.asarray(opened), k=3)[1])
    assert nearest[0, 0] == 7 and near[0, 0] == pytest.approx(1)
    assert knn_predict(opened, opened.labels, opened[[7]], k=1) == ["b"]


def test_a_file_and_one_without_labels(tmp_path):
    write(tmp_path, (4,))
    opened = open_features(str(tmp_path / "part-0.npz"))
    assert opened.shape == (4, 3) and opened.labels is None


def test_many_shards_need_few_open_files(tmp_path):
    resource = pytest.importorskip("resource")
    write(tmp_path, (1,) * 300, width=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (250, hard))
    try:
        opened = open_features(tmp_path)
        assert sorted(np.asarray(opened)[:, 0].tolist()) == list(range(300))
        assert len({opened.name(row) for row in range(300)}) == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def damage(path, place, length=1):
    content = bytearray(path.read_bytes())
    for at in range(place, place + length):
        content[at] ^= 255
    path.write_bytes(content)


def test_damage_is_found(tmp_path):
    write(tmp_path)
    path = tmp_path / "part-2.npz"
    whole = path.read_bytes()
    damage(path, 230)  # a number
    assert open_features(tmp_path).shape == (13, 3)
    with pytest.raises(ValueError, match=r"damaged \(the checksum of features.npy\). Received: features=.*part-2.npz"):
        open_features(tmp_path, verify=True)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"`features` must be an .npz file .*Received: features=.*part-2.npz"):
        open_features(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"part-2.npz"):
        open_features(tmp_path)


def test_refuses(tmp_path):
    with pytest.raises(ValueError, match=r"folder that is there. Received: features='.*nowhere'"):
        open_features(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"folder of .npz files. Received: features="):
        open_features(tmp_path)
    np.savez(tmp_path / "a.npz", features=np.zeros((2, 5), "float32"), names=np.array(["a"]))
    with pytest.raises(ValueError, match=r"with 1 names, features of shape \(2, 5\)"):
        open_features(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", features=np.zeros((1, 5), "float32"), names=np.array([{}], object))
    with pytest.raises(ValueError, match="of another layout"):
        open_features(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "a.npz", features=np.zeros((1, 5), "float32"), names=np.array(["a"]))
    with pytest.raises(ValueError, match="compressed"):
        open_features(tmp_path)
    np.savez(tmp_path / "a.npz", features=np.zeros((1, 5), "float32"), names=np.array(["a"]))
    np.savez(tmp_path / "b.npz", features=np.zeros((1, 4), "float32"), names=np.array(["a"]))
    with pytest.raises(ValueError, match=r"rows of one width.*\[4, 5\]"):
        open_features(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps({"count": 3}))
    with pytest.raises(ValueError, match="embedding.json is damaged"):
        open_features(tmp_path)
