import keras
import numpy as np
import pytest
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.views import MultiView, RandomFlip, RandomResizedCrop, map_dataset

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data runs TensorFlow graphs")

COUNT = 11
VIEW = MultiView([RandomResizedCrop(6), RandomFlip(0.5)])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3)).astype("uint8")


def data_set(elements, batch_size):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(elements).batch(batch_size)


def direct(images, view=VIEW, seed=7, epoch=0):
    result = view(images, Stream(seed, epoch, np.arange(len(images))))
    return [ops.convert_to_numpy(r) for r in result] if isinstance(result, list) else ops.convert_to_numpy(result)


def joined(batches):
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


@tensorflow_only
@pytest.mark.parametrize(("batch_size", "jit_compile"), [(4, False), (11, True), (20, False)])
def test_equals_a_direct_call_however_batched(images, batch_size, jit_compile):
    mapped = map_dataset(data_set(images, batch_size), VIEW, seed=7, epoch=2, jit_compile=jit_compile)
    got = joined([view.numpy() for view in batch["x"]] for batch in mapped)
    for a, b in zip(got, direct(images, epoch=2), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
@tensorflow_only
def test_structures(images):
    labels = np.arange(COUNT)
    view = RandomFlip(0.5)
    plain = list(map_dataset(data_set(images, 4), view, seed=7))
    np.testing.assert_allclose(np.concatenate(plain), direct(images, view), atol=1e-6)
    pairs = list(map_dataset(data_set((images, labels), 4), view, seed=7))
    np.testing.assert_allclose(np.concatenate([x for x, _ in pairs]), direct(images, view), atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([y for _, y in pairs]), labels)
    dicts = list(map_dataset(data_set({"x": images, "index": labels}, 4), VIEW, seed=7))
    assert isinstance(dicts[0]["x"], tuple) and len(dicts[0]["x"]) == 2
    np.testing.assert_array_equal(np.concatenate([d["index"] for d in dicts]), labels)


@tensorflow_only
def test_epochs_differ_and_can_be_a_tensor(images):
    import tensorflow as tf

    view = RandomFlip(0.5)
    source = data_set(images, 4)
    epochs = tf.data.Dataset.range(2).flat_map(lambda epoch: map_dataset(source, view, seed=7, epoch=epoch))
    first, second = np.split(np.concatenate(list(epochs)), 2)
    np.testing.assert_allclose(first, direct(images, view, epoch=0), atol=1e-6)
    np.testing.assert_allclose(second, direct(images, view, epoch=1), atol=1e-6)
    assert np.abs(first - second).max() > 0.1


@tensorflow_only
def test_missing_images(images):
    with pytest.raises(ValueError, match=r"must hold the images as 'x'.*keys=\['image'\]"):
        map_dataset(data_set({"image": images}, 4), VIEW, seed=0)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="the error of the other backends")
def test_other_backends_are_refused():
    with pytest.raises(RuntimeError, match="needs Keras' TensorFlow backend. Received: backend='jax'"):
        map_dataset(None, VIEW, seed=0)
