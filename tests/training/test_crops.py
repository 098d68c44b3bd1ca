import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")

from sklearn.datasets import load_sample_images  # noqa: E402

import keras_ssl  # noqa: E402
from keras_ssl.data import from_arrays, from_folder  # noqa: E402
from keras_ssl.views import Compose, MultiCrop, RandomFlip, RandomResizedCrop, simclr  # noqa: E402

# Bilinear crops, which the reader rounds to a level of 255 at most.
GLOBAL = Compose([RandomResizedCrop(16, (0.3, 1.0)), RandomFlip(0.5)])
LOCAL = Compose([RandomResizedCrop(8, (0.1, 0.3)), RandomFlip(0.5)])
VIEWS = MultiCrop([GLOBAL] * 2, [LOCAL])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """The same images as files and as an array."""
    folder = tmp_path_factory.mktemp("photos")
    photo = load_sample_images().images[1]
    draws = np.random.default_rng(0)
    images = []
    for number in range(16):
        top, left = draws.integers(0, 380), draws.integers(0, 590)
        images.append(photo[top : top + 36, left : left + 40])
        Image.fromarray(images[-1]).save(folder / f"{number:02d}.png")
    return folder, np.stack(images)


def make_model(seed=7, views=VIEWS):
    keras.utils.set_random_seed(0)
    encoder = keras_ssl.encoders.ConvNet(widths=[8, 16], input_shape=(None, None, 3))
    model = keras_ssl.MultiViewInfoNCE(encoder, projector=(8, 8), temperature=1.0, views=views, seed=seed)
    model.compile(keras.optimizers.SGD(1e-7))  # a loss differs by the views alone
    return model


def losses(data, epochs, model, **options):
    seen = []
    record = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    model.fit(data, epochs=epochs, verbose=0, callbacks=[record], **options)
    return np.array(seen)


def test_a_training_is_that_of_whole_images_in_memory(photos):
    folder, images = photos
    data = from_folder(folder, size=36, batch_size=8, seed=3, crops=VIEWS)
    arrays = from_arrays(images, batch_size=8, seed=3)
    first, second = make_model(), make_model()
    for epochs in (2, 1):  # a second call goes on with the steps of the first
        np.testing.assert_allclose(losses(data, epochs, first), losses(arrays, epochs, second), rtol=0.003)
    arrays, data = (
        from_arrays(images, batch_size=8, shuffle=False),
        from_folder(folder, size=36, batch_size=8, shuffle=False, crops=VIEWS),
    )
    expected = first.evaluate(arrays, verbose=0, return_dict=True)["loss"]
    for _ in range(2):  # whatever was evaluated before
        assert abs(first.evaluate(data, verbose=0, return_dict=True)["loss"] - expected) < 0.003 * expected
    other = make_model(seed=8).evaluate(data, verbose=0, return_dict=True)["loss"]
    assert abs(other - expected) > 0.01 * expected  # the bounds above tell views apart


def test_an_interrupted_run_goes_on_with_its_crops(photos, tmp_path):
    def boxes_of(data):
        seen = []
        load, follow = data.load, data.follow
        # Before, Keras looks at the form of some batches.
        data.follow = lambda *steps: (seen.clear(), follow(*steps))
        data.load = lambda order, start: seen.append((start, data.epoch, load(order, start))) or seen[-1][2]
        return seen

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(keras.ops.convert_to_numpy(self.model.step)) == 5:
                raise KeyboardInterrupt

    def options(folder):
        return [keras_ssl.callbacks.Checkpoint(folder, every_steps=1)]

    make = lambda: from_folder(photos[0], size=36, batch_size=4, seed=3, crops=VIEWS)  # noqa: E731
    whole = make()
    read = boxes_of(whole)
    make_model().fit(whole, epochs=3, verbose=0)
    expected = {(start, epoch): batch["box"] for start, epoch, batch in read}
    with pytest.raises(KeyboardInterrupt):
        make_model().fit(make(), epochs=3, verbose=0, callbacks=[*options(tmp_path / "run"), Stop()])
    data = make()
    read = boxes_of(data)
    model = make_model()
    model.fit(data, epochs=3, verbose=0, callbacks=options(tmp_path / "run"))
    assert int(keras.ops.convert_to_numpy(model.step)) == 12
    resumed = {(start, epoch): batch["box"] for start, epoch, batch in read}
    assert sorted(resumed) == sorted(
        (start, epoch) for epoch in (1, 2) for start in (0, 4, 8, 12) if start or epoch > 1
    )
    for place, boxes in resumed.items():
        np.testing.assert_array_equal(boxes, expected[place])


@pytest.mark.once
def test_crops_of_other_views_are_an_error(photos):
    data = from_folder(photos[0], size=36, batch_size=8, crops=simclr(16))
    model = make_model()
    for call in (lambda: model.fit(data, verbose=0), lambda: model.evaluate(data, verbose=0)):
        with pytest.raises(ValueError, match="must be those of the model's views.*Received: crops="):
            call()
    assert int(keras.ops.convert_to_numpy(model.step)) == 0


def test_default_views_and_whole_images(photos):
    encoder = keras_ssl.encoders.ConvNet(widths=[8, 16])
    model = keras_ssl.SimCLR(encoder, projector=(8, 8))
    model.compile("sgd")
    data = from_folder(photos[0], size=16, batch_size=8, crops=model.views)
    assert data[0]["x"][0].shape == (8, 16, 16, 3)
    model.fit(data, epochs=1, verbose=0)
    data.epoch = 0
    plain = from_folder(photos[0], size=16, batch_size=8)
    keras.tree.map_structure(np.testing.assert_array_equal, data.whole(1), plain[1])
    np.testing.assert_allclose(model.predict(data, verbose=0), model.predict(plain, verbose=0), rtol=1e-5, atol=1e-6)


TWO_REPLICAS = """
import keras
import numpy as np
import keras_ssl

crop = keras_ssl.views.RandomResizedCrop(16, (0.3, 1.0))
views = keras_ssl.views.MultiCrop([crop] * 2, [keras_ssl.views.RandomResizedCrop(8, (0.1, 0.3))])

def losses(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Input((None, None, 3)), keras.layers.Conv2D(8, 3), keras.layers.GlobalAveragePooling2D()]
        model = keras_ssl.MultiViewInfoNCE(keras.Sequential(layers), projector=(8,), views=views, seed=7)
        model.compile(keras.optimizers.SGD(0.1))
    data = keras_ssl.data.from_folder({folder!r}, size=36, batch_size=8, seed=3, crops=views)
    return model.fit(data, epochs=2, verbose=0).history["loss"]

np.testing.assert_allclose(losses(mirrored), losses(tf.distribute.get_strategy()), rtol=1e-4)
"""


def test_two_replicas_equal_one(photos, two_replicas):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("replicas of TensorFlow")
    assert two_replicas(TWO_REPLICAS.replace("{folder!r}", repr(str(photos[0])))) is None
