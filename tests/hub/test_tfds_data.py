"""tensorflow_datasets by name. The package is none of ours: what stands in for it behaves as version 4.9 does."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from keras_ssl.hub.recipe_data import data_source, training_batches  # noqa: E402


class Builder:
    """What `tfds.builder` gives of images whose level is their number."""

    def __init__(self, folder, shape=(4, 4, 3), counts=(("train", 6), ("test", 3)), features=("image", "label")):
        known = {"image": SimpleNamespace(shape=shape), "label": SimpleNamespace(names=["ant", "bee"])}
        self.folder, self.counts = folder, dict(counts)
        files = {split: folder / f"set-{split}.tfrecord-00000-of-00001" for split in self.counts}
        self.info = SimpleNamespace(
            features={name: known[name] for name in features if name in known}
            | dict.fromkeys(set(features) - set(known)),
            splits={split: SimpleNamespace(filepaths=[file]) for split, file in files.items()},
        )

    def download_and_prepare(self):
        for split, count in self.counts.items():
            with tf.io.TFRecordWriter(str(self.info.splits[split].filepaths[0])) as writer:
                for number in range(count):
                    writer.write(self._record(number))

    def _record(self, number):
        png = tf.io.encode_png(np.full((4, 4, 3), number, np.uint8)).numpy()
        fields = {"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png]))}
        if "label" in self.info.features:
            fields["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2]))
        return tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString()


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Sets what the package, not installed perhaps, answers with."""

    def answer(builder=None, **options):
        def make(name, file_format):
            assert file_format == "tfrecord"
            return Builder(tmp_path, **options) if builder is None else builder(name)

        monkeypatch.setitem(sys.modules, "tensorflow_datasets", SimpleNamespace(builder=make))

    return answer


def test_both_parts_at_the_size_of_the_images(package):
    package()
    source = data_source("tfds:digits")
    assert source.known == ("size",) and source.settings == ("size", "crops")
    batches, labelled = training_batches(source, {}, batch_size=3, seed=1)
    assert len(batches) == 2 and batches[0]["x"].shape == (3, 4, 4, 3)
    np.testing.assert_array_equal(batches[0]["x"][:, 0, 0, 0], batches[0]["index"])
    np.testing.assert_array_equal(labelled.x[:, 0, 0, 0], np.arange(6))
    assert labelled.y.tolist() == [0, 1] * 3 and len(labelled.x_test) == 3 and labelled.classes == ("ant", "bee")
    assert source.read(size=2).x.shape == (6, 2, 2, 3)


def test_without_labels_or_a_test_part(package):
    package(features=("image",), counts=(("train", 4),))
    batches, labelled = training_batches(data_source("tfds:digits"), {}, batch_size=2, seed=0)
    assert sorted(batches[0]) == ["index", "x"] and labelled is None
    package(counts=(("train", 4), ("validation", 2)))
    assert len(data_source("tfds:digits").read().x_test) == 2


def test_the_package_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # importing it raises ImportError
    source = data_source("tfds:cifar10")  # a recipe can be read without it
    with pytest.raises(ImportError, match="pip install tensorflow-datasets. Received: data='tfds:cifar10'"):
        source.read()


def no_such(name):
    raise ValueError(f"Dataset {name} not found.\nA long list follows")


class Offline(Builder):
    def __init__(self, name):
        super().__init__(Path())

    def download_and_prepare(self):
        raise RuntimeError("Connection refused")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"builder": no_such}, ValueError, r"no such data \(Dataset digits not found.\). Received: data='tfds:digits'"),
        ({"builder": Offline}, OSError, r"cannot be downloaded \(Connection refused\). Received: data='tfds:digits'"),
        ({"features": ("text", "label")}, ValueError, r"the feature 'image'. Received: .* with \['label', 'text'\]"),
        ({"counts": (("test", 3),)}, ValueError, r"a part 'train'. Received: data='tfds:digits' with \['test'\]"),
        ({"shape": (None, None, 3)}, ValueError, r"set `data.size`. Received: data='tfds:digits' with size=None"),
    ],
)
def test_faults_are_named(package, options, error, message):
    package(**options)
    with pytest.raises(error, match=message):
        data_source("tfds:digits").read()
