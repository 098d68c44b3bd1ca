"""One scale of pixels from `fit` to `predict`, whatever prepares them."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import views
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.training import Step, engine
from keras_ssl.training.encoder_front import own_scaling

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
IDENTITIES = views.MultiView([views.Identity(), views.Identity()])
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype("uint8")
PIXELS[0] = 0
PIXELS[1] = PIXELS[1] % 3  # dark
UNIT = (PIXELS / 255).astype("float32")
DATA = {
    "uint8": (PIXELS, None),
    "uint16": (PIXELS.astype("uint16") * 257, None),
    "float": (UNIT, None),
    "12 bits": (PIXELS.astype("int16") * 16, (0, 4095)),
    "uint8 of a range": (PIXELS // 2, (0, 127)),
    "floats to 255": (PIXELS.astype("float32"), (0, 255)),
    "centered": (2 * UNIT - 1, (-1, 1)),
}


def encoder(shape=(4, 4, 3)):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(5)])


def normalization():
    layer = keras.layers.Normalization()
    layer.adapt(PIXELS.astype("float32"))
    return layer


def array(tensor):
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


def inputs(model, x):
    """What the encoder is given in training."""
    count = len(x[0] if isinstance(x, tuple) else x)
    x = tuple(map(keras.ops.convert_to_tensor, x)) if isinstance(x, tuple) else keras.ops.convert_to_tensor(x)
    return [array(view) for view in model.make_views({"x": x}, Step.at(count))]


PREPARED = {
    "auto": lambda: "auto",
    "ImagePreprocessing": lambda: ImagePreprocessing(0.3, 0.7),
    "Rescaling": lambda: keras.layers.Rescaling(1 / 127.5, -1.0),
    "Normalization": normalization,
    "none": lambda: None,
}


class TestOneScale:
    @pytest.mark.parametrize("kind", DATA)
    @pytest.mark.parametrize("prepared", PREPARED)
    def test_training_and_use_give_the_encoder_the_same(self, prepared, kind):
        x, value_range = DATA[kind]
        options = {"preprocessing": PREPARED[prepared](), "value_range": value_range}
        model = keras_ssl.SimCLR(encoder(), views=IDENTITIES, **options)
        used = array(model.encoder_input(keras.ops.convert_to_tensor(x)))
        assert used.std() > 1e-3 and np.isfinite(used).all()
        if kind == "uint8" or prepared in ("auto", "ImagePreprocessing"):  # the others are made for 0 to 255
            assert used.std() > 0.1
        for trained in inputs(model, x):
            np.testing.assert_allclose(trained, used, rtol=2e-6, atol=2e-6 * np.abs(used).max())
        ready = keras_ssl.SimCLR(encoder(), **options)  # its default views leave ready-made ones
        for trained in inputs(ready, (x, x)):
            np.testing.assert_array_equal(trained, used)
        np.testing.assert_allclose(array(model(x)), array(model.encoder(used)), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("prepared", ["auto", "Rescaling", "none"])
    def test_views_work_in_the_unit_range(self, prepared):
        seen = []

        def watch(images, stream):
            seen.append(array(images))
            return [images, images]

        for x, value_range in DATA.values():
            model = keras_ssl.SimCLR(
                encoder(), views=watch, preprocessing=PREPARED[prepared](), value_range=value_range
            )
            inputs(model, x)
            low, high = value_range or (0, {"uint8": 255, "uint16": 65535}.get(x.dtype.name, 1))
            np.testing.assert_allclose(seen[-1], (x.astype("float64") - low) / (high - low), atol=1e-6)

    @pytest.mark.parametrize("kind", DATA)
    def test_features_do_not_depend_on_the_batch(self, kind):
        x, value_range = DATA[kind]
        model = keras_ssl.SimCLR(encoder(), value_range=value_range)
        whole = model.predict(x, verbose=0)
        for place in range(len(x)):
            alone = model.predict(x[place : place + 1], verbose=0)
            np.testing.assert_allclose(alone, whole[place : place + 1], rtol=1e-5, atol=1e-5)

    def test_the_probe_of_a_step_sees_what_the_step_sees(self):
        for x, value_range in DATA.values():
            for prepared in ("auto", "Rescaling", "none"):
                model = keras_ssl.SimCLR(
                    encoder(), views=IDENTITIES, preprocessing=PREPARED[prepared](), value_range=value_range
                )
                made = tuple(array(view) for view in model.first_views(keras.ops.convert_to_tensor(x)))
                batch, step = engine.prepare(model, {"x": made}, training=True, check=False)
                for probed, trained in zip(model.make_views(batch, step), inputs(model, x), strict=True):
                    np.testing.assert_allclose(array(probed), trained, rtol=1e-5, atol=1e-5)

    def test_a_model_keeps_its_range(self):
        model = keras_ssl.SimCLR(encoder(), projector=(4, 3), value_range=(0, 4095))
        again = keras_ssl.SimCLR.from_config(model.get_config())
        assert again.value_range == again.preprocessing.value_range == (0.0, 4095.0)
        assert keras_ssl.SimCLR(encoder(), preprocessing=ImagePreprocessing(value_range=(0, 9))).value_range == (0, 9)
        given = keras_ssl.SimCLR(encoder(), preprocessing=ImagePreprocessing(0.1, 0.2), value_range=(0, 9))
        assert (given.preprocessing.mean, given.preprocessing.value_range) == (0.1, (0.0, 9.0))
        with pytest.raises(ValueError, match="`value_range` must be that of `preprocessing`.*Received: value_range="):
            keras_ssl.SimCLR(encoder(), preprocessing=ImagePreprocessing(value_range=(0, 9)), value_range=(0, 8))
        with pytest.raises(ValueError, match="Received: value_range="):
            keras_ssl.SimCLR(encoder(), value_range=(1, 0))

    def test_half_precision_sees_every_level(self):
        model = keras_ssl.SimCLR(encoder(), value_range=(0, 4095), preprocessing=None, dtype="mixed_float16")
        x = np.arange(4000, 4096).reshape(2, 4, 4, 3).astype("float32")
        right = array(model.encoder(x))
        assert np.abs(array(model.encoder(x.astype("float16").astype("float32"))) - right).max() > 1e-3
        np.testing.assert_allclose(array(model(keras.ops.convert_to_tensor(x))), right, rtol=1e-6)


def compiled(**options):
    model = keras_ssl.SimCLR(encoder(), projector=(4, 3), **{"views": IDENTITIES, **options})
    model.compile("sgd", jit_compile=False)
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


BAD = UNIT.copy()
BAD[4, 1, 1, 1] = -0.5


class TestChecks:
    @pytest.mark.parametrize("kind", ["array", "views", "from_arrays", "batches", "generator", "validation", "tf"])
    def test_values_outside_are_named_before_training(self, kind):
        if kind == "tf" and not ON_TENSORFLOW:
            pytest.skip("tf.data belongs to TensorFlow")
        model = compiled()
        options = {"verbose": 0}
        if kind in ("array", "views", "validation"):
            options["batch_size"] = 6
        x = BAD
        if kind == "views":
            x = (UNIT, BAD)
        elif kind == "from_arrays":
            x = keras_ssl.data.from_arrays(BAD, batch_size=2, shuffle=False)
        elif kind == "batches":
            x = Batches(BAD)
        elif kind == "generator":
            x = (batch for batch in [BAD, UNIT])
            options["steps_per_epoch"] = 2
        elif kind == "validation":
            x, options["validation_data"] = UNIT, BAD
        elif kind == "tf":
            import tensorflow as tf

            x = tf.data.Dataset.from_tensor_slices(BAD).batch(6)
        with pytest.raises(ValueError, match=r"divide.*`value_range.*Received: x.* with the value -0.5 in sample 4"):
            model.fit(x, **options)
        assert int(keras.ops.convert_to_numpy(model.step)) == 0

    def test_a_single_image_is_no_batch(self):
        with pytest.raises(ValueError, match=r"pass `x\[None\]`. Received: x.shape=\(4, 4, 3\)"):
            compiled().predict(PIXELS[0], verbose=0)

    def test_streams_are_checked(self):
        streams = {"a": {"x": UNIT}, "b": {"x": BAD}}
        data = keras_ssl.data.from_streams(streams, (1, 1), batch_size=4)
        for call in (compiled().fit, compiled().evaluate):
            with pytest.raises(ValueError, match=r"Received: x with the value -0.5 in sample 4"):
                call(data, verbose=0)

    def test_evaluate_and_predict_check_too(self):
        model = compiled()
        for call in (
            lambda: model.evaluate(BAD, batch_size=6, verbose=0),
            lambda: model.evaluate(Batches(BAD), verbose=0),
            lambda: model.predict(BAD, verbose=0),
            lambda: model(BAD),
        ):
            with pytest.raises(ValueError, match=r"Received: x with the value -0.5 in sample 4"):
                call()

    @pytest.mark.parametrize("kind", ["batches", "pairs", "generator", "tf", "train_on_batch"])
    def test_data_sets_of_predict_and_single_batches_are_checked(self, kind):
        if kind == "tf" and not ON_TENSORFLOW:
            pytest.skip("tf.data belongs to TensorFlow")
        model, x = compiled(), Batches(BAD)
        if kind == "pairs":
            x = Batches((BAD, np.zeros(6, "int32")))
        elif kind == "generator":
            x = (batch for batch in [BAD])
        elif kind == "tf":
            import tensorflow as tf

            x = tf.data.Dataset.from_tensor_slices(BAD).batch(6)
        call = (lambda: model.train_on_batch(BAD)) if kind == "train_on_batch" else lambda: model.predict(x, verbose=0)
        with pytest.raises(ValueError, match=r"Received: x with the value -0.5 in sample 4"):
            call()

    def test_data_sets_of_predict_are_not_changed_by_the_check(self):
        model = compiled()
        alone = model.predict(UNIT, batch_size=6, verbose=0)
        for data in (Batches(UNIT), (batch for batch in [(UNIT,)]), Batches((UNIT, np.zeros(6, "int32")))):
            np.testing.assert_allclose(model.predict(data, verbose=0), alone, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("dtype", ["int32", "bool"])
    def test_types_without_a_scale_are_refused(self, dtype):
        x, model = PIXELS.astype(dtype), compiled()
        for call in (
            lambda: model.fit(x, batch_size=6, verbose=0),
            lambda: model.fit(Batches(x), verbose=0),
            lambda: model.predict(x, verbose=0),
        ):
            with pytest.raises(ValueError, match=f"cast them to uint8.*Received: images.dtype={dtype}"):
                call()

    def test_a_late_batch_outside_is_nan_and_named(self):
        model = compiled()
        with pytest.raises(FloatingPointError, match="batch 1 of epoch 0"):
            model.fit(Batches(UNIT, BAD), verbose=0, callbacks=[keras_ssl.callbacks.StopOnNaN()])

    def test_compiled_use_gives_nan_for_that_sample_alone(self):
        for options in ({}, {"preprocessing": None}, {"preprocessing": keras.layers.Rescaling(2.0)}):
            model = compiled(**options)
            features = array(model(keras.ops.convert_to_tensor(BAD)))
            assert np.isnan(features).all(axis=1).tolist() == [False, False, False, False, True, False]
            np.testing.assert_allclose(features[:4], array(model(UNIT))[:4], rtol=1e-5, atol=1e-6)

    def test_a_declared_range_is_the_remedy(self):
        model = compiled(value_range=(-1, 1))
        history = model.fit(BAD, batch_size=6, verbose=0).history
        assert np.isfinite(history["loss"]).all() and model.predict(BAD, verbose=0).shape == (6, 5)
        with pytest.raises(ValueError, match=r"`value_range`, \(-1, 1\). Received: x with the value 255 in sample"):
            model.predict(np.full((1, 4, 4, 3), 255.0, "float32"), verbose=0)


def volumes():
    images = keras.Input((2, 4, 4, 3))
    return keras.Model(images, keras.layers.Dense(4)(keras.layers.Flatten()(images)))


class TestOtherInputs:
    CLIPS = np.random.default_rng(0).integers(0, 256, (4, 2, 4, 4, 3)).astype("uint8")

    @staticmethod
    def both(inputs, stream):
        return [inputs, inputs]

    def test_volumes_of_pixels_need_a_scale(self):
        model = keras_ssl.SimCLR(volumes(), projector=(4, 3), views=self.both)
        model.compile("sgd", jit_compile=False)
        for call in (
            lambda: model.fit(self.CLIPS, batch_size=4, verbose=0),
            lambda: model.fit(Batches(self.CLIPS), verbose=0),
            lambda: model.predict(self.CLIPS, verbose=0),
        ):
            with pytest.raises(ValueError, match="`value_range`.*`preprocessing`.*Received: x of type uint8"):
                call()
        floats = (self.CLIPS - 100.0).astype("float32")
        np.testing.assert_array_equal(inputs(model, floats)[0], floats)

    @pytest.mark.parametrize(
        "options",
        [
            {"value_range": (0, 255)},
            {"preprocessing": keras.layers.Rescaling(1 / 255)},
            {"preprocessing": ImagePreprocessing(0.0, 1.0)},
        ],
    )
    def test_volumes_with_a_scale(self, options):
        model = keras_ssl.SimCLR(volumes(), projector=(4, 3), views=self.both, **options)
        model.compile("sgd", jit_compile=False)
        assert np.isfinite(model.fit(self.CLIPS, batch_size=4, verbose=0).history["loss"]).all()
        used = array(model.encoder_input(keras.ops.convert_to_tensor(self.CLIPS)))
        np.testing.assert_allclose(used, self.CLIPS / 255, atol=1e-6)
        np.testing.assert_allclose(inputs(model, self.CLIPS)[0], used, atol=1e-6)

    def test_numbers_of_tokens_are_no_pixels(self):
        numbers = keras.Input((5,), dtype="int32")
        pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(300, 4)(numbers))
        model = keras_ssl.SimCLR(keras.Model(numbers, pooled), projector=(4, 3), views=self.both)
        x = np.arange(20, dtype="uint8").reshape(4, 5)
        model.check_form(x)
        np.testing.assert_array_equal(inputs(model, x)[0], x)

    def test_default_views_of_images_are_told_at_once(self):
        with pytest.warns(UserWarning, match=r"Pass `views`.*ready-made.*Received: encoder with input shape \(None, 2"):
            model = keras_ssl.SimCLR(volumes(), projector=(4, 3))
        model.compile("sgd", jit_compile=False)
        floats = (self.CLIPS / 255).astype("float32")
        with pytest.raises(ValueError, match="Pass `views`.*Received: x.shape="):
            model.fit(floats, batch_size=4, verbose=0)
        assert np.isfinite(model.fit((floats, floats), batch_size=4, verbose=0).history["loss"]).all()


class TestEncodersThatScale:
    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize("functional", [False, True])
    def test_are_found_and_get_their_own_scale(self, functional, nested):
        front = [keras.layers.ZeroPadding2D(1), keras.layers.Rescaling(1 / 127.5, -1.0)]
        front = [keras.Sequential([keras.Input((4, 4, 3)), *front])] if nested else front
        net = keras.Sequential([keras.Input((4, 4, 3)), *front, keras.layers.Flatten(), keras.layers.Dense(5)])
        if functional:
            x = images = keras.Input((4, 4, 3))
            for layer in net.layers:
                x = layer(x)
            net = keras.Model(images, x)
        with pytest.warns(UserWarning, match="begins with Rescaling.*0 to 255.*Received: encoder with the layer"):
            model = keras_ssl.SimCLR(net, views=IDENTITIES)
        assert model.preprocessing is None
        np.testing.assert_allclose(inputs(model, PIXELS)[0], PIXELS, rtol=1e-6)

    def test_a_normalization_and_a_backbone_of_keras(self):
        assert isinstance(own_scaling(keras.Sequential([keras.Input((4, 4, 3)), normalization()])), keras.layers.Layer)
        net = keras.applications.MobileNetV3Small((32, 32, 3), include_top=False, weights=None, minimalistic=True)
        assert type(own_scaling(net)).__name__ == "Rescaling"

    @pytest.mark.parametrize("scale", [lambda x: x / 255.0, lambda x: 2.0 * x - 1.0])
    def test_arithmetic_with_constants_scales(self, scale):
        images = keras.Input((4, 4, 3))
        net = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(scale(images))))
        with pytest.warns(UserWarning, match="begins with (TrueDivide|Multiply).*0 to 255"):
            model = keras_ssl.SimCLR(net, views=IDENTITIES)
        np.testing.assert_allclose(inputs(model, PIXELS)[0], PIXELS, rtol=1e-6)

    @pytest.mark.parametrize("name", ["resnet", "mobilenet_v2"])
    def test_preprocess_input_of_keras_scales(self, name):
        images = keras.Input((4, 4, 3))
        scaled = getattr(keras.applications, name).preprocess_input(images)
        assert own_scaling(keras.Model(images, keras.layers.Flatten()(scaled))) is not None

    def test_arithmetic_of_two_tensors_scales_nothing(self):
        images = keras.Input((4, 4, 3))
        both = keras.layers.MaxPooling2D(1)(images) + images
        assert own_scaling(keras.Model(images, keras.layers.Flatten()(both))) is None

    def test_a_rescaling_in_a_subclassed_model_counts(self):
        class Net(keras.Model):
            def __init__(self):
                super().__init__()
                self.scale, self.flatten = keras.layers.Rescaling(1 / 255), keras.layers.Flatten()

            def call(self, x):
                return self.flatten(self.scale(x))

        net = Net()
        net(np.zeros((1, 4, 4, 3), "float32"))
        with pytest.warns(UserWarning, match="begins with Rescaling"):
            model = keras_ssl.SimCLR(net, views=IDENTITIES)
        assert model.preprocessing is None

    def test_a_rescaling_behind_weights_is_none_of_pixels(self):
        layers = [keras.layers.Conv2D(3, 1), keras.layers.Rescaling(2.0), keras.layers.Flatten()]
        assert own_scaling(keras.Sequential([keras.Input((4, 4, 3)), *layers])) is None
        assert own_scaling(encoder()) is None

    @pytest.mark.parametrize("value_range", [None, (0, 255)])
    def test_one_that_normalizes_as_load_gives_it_is_not_normalized_twice(self, value_range):
        images = keras.Input((4, 4, 3))
        net = encoder()
        layer = ImagePreprocessing(0.3, 0.2, value_range=value_range)
        model = keras_ssl.SimCLR(keras.Model(images, net(layer(images))), views=IDENTITIES)
        expected = array(net(layer(PIXELS)))
        np.testing.assert_allclose(model.predict(PIXELS, verbose=0), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(array(model.encoder(inputs(model, PIXELS)[0])), expected, rtol=1e-4, atol=1e-5)


class Net(keras.Model):
    def __init__(self, width=5):
        super().__init__()
        self.conv, self.pool = keras.layers.Conv2D(width, 3), keras.layers.GlobalAveragePooling2D()

    def call(self, x, training=False):
        return self.pool(self.conv(x))


class TestSubclassedEncoder:
    @pytest.mark.parametrize("prepared", ["auto", "none"])
    def test_trains_and_predicts(self, prepared):
        net = Net()
        net(np.zeros((1, 4, 4, 3), "float32"))
        model = keras_ssl.SimCLR(net, projector=(4, 3), views=IDENTITIES, preprocessing=PREPARED[prepared]())
        model.compile("sgd", jit_compile=False)
        assert model.feature_dim == 5 and model.encoder_input_shape == (None, 4, 4, 3)
        assert np.isfinite(model.fit(PIXELS, batch_size=6, verbose=0).history["loss"]).all()
        assert model.predict(PIXELS, verbose=0).shape == (6, 5)
        with pytest.raises(ValueError, match="must have 3 channels"):
            model.fit(np.zeros((6, 4, 4, 2), "uint8"), batch_size=6, verbose=0)

    def test_without_shapes_is_a_sentence(self):
        class Strange(Net):
            broken = False

            def call(self, x, training=False):
                if self.broken:
                    raise RuntimeError("for the test")
                return super().call(x)

        with pytest.raises(ValueError, match="must be a built"):
            keras_ssl.SimCLR(Net())
        net = Strange()
        net(np.zeros((1, 4, 4, 3), "float32"))
        net.broken = True
        with pytest.raises(ValueError, match="functional model.*Received: encoder=.*for the test"):
            keras_ssl.SimCLR(net)


class TestViewsArgument:
    def test_a_list_is_a_multi_view(self):
        for kind in (list, tuple):
            model = keras_ssl.SimCLR(encoder(), views=kind([views.RandomFlip(), views.Identity()]))
            assert isinstance(model.views, views.MultiView) and len(model.views) == 2

    @pytest.mark.parametrize(
        ("bad", "remedy"),
        [
            (keras.layers.RandomFlip(), "wrap the layer"),
            (views.simclr, "call it"),
            (views.RandomFlip, "make an object"),
            (lambda images: [images], "two arguments"),
            ("simclr", "a list of views"),
            (3, "a list of views"),
            ([], "at least one"),
            ([views.RandomFlip(), lambda images, stream: images], "a pipeline for each"),
            ([views.simclr()], "a pipeline for each"),
        ],
    )
    def test_what_is_no_view_is_refused_at_once(self, bad, remedy):
        with pytest.raises(ValueError, match=f"{remedy}.*Received: views="):
            keras_ssl.SimCLR(encoder(), views=bad)

    def test_each_part_of_a_pair_goes_through_its_pipeline(self):
        class Add(views.View):
            def __init__(self, most):
                self.most = most

            def apply(self, images, stream):
                return images + keras.ops.reshape(stream.uniform(0.5 * self.most, self.most), (-1, 1, 1, 1))

        model = keras_ssl.SimCLR(
            encoder(), views=[Add(0.1), Add(0.1), Add(10.0)], preprocessing=ImagePreprocessing(0.0, 1.0)
        )
        added = [(view - UNIT)[:, 0, 0, 0] for view in inputs(model, (PIXELS, PIXELS, PIXELS))]
        for most, part in zip((0.1, 0.1, 10.0), added, strict=True):
            assert (part > 0.45 * most).all() and (part < 1.05 * most).all()
        assert len({round(float(value), 6) for a in added for value in a}) == 18  # own draws
        with pytest.raises(ValueError, match="as many pipelines.*Received: 2 ready-made views"):
            inputs(model, (PIXELS, PIXELS))
        single = keras_ssl.SimCLR(encoder(), views=Add(0.1))
        first, second = inputs(single, (PIXELS, PIXELS))
        assert not np.array_equal(first, second)

    def test_ready_made_views_stay_as_they_are_where_no_views_are_given_also_after_saving(self):
        model = keras_ssl.SimCLR(encoder(), projector=(4, 3))
        for made in (model, keras_ssl.SimCLR.from_config(model.get_config())):
            first, second = inputs(made, (PIXELS, PIXELS))
            np.testing.assert_array_equal(first, second)
        given = keras_ssl.SimCLR(encoder(), projector=(4, 3), views=views.simclr())
        first, second = inputs(keras_ssl.SimCLR.from_config(given.get_config()), (PIXELS, PIXELS))
        assert np.abs(first - second).max() > 0.1

    @pytest.mark.parametrize("options", [{}, {"views": views.simclr()}])
    @pytest.mark.parametrize("channels", [2, 4])
    def test_colors_of_other_channels_are_refused_at_once(self, channels, options):
        with pytest.raises(ValueError, match=r"color=False.*Received: encoder with input shape \(None, 4, 4"):
            keras_ssl.SimCLR(encoder((4, 4, channels)), **options)

    @pytest.mark.parametrize("channels", [1, 2, 4])
    def test_recipes_without_color_train_any_channels(self, channels):
        x = np.random.default_rng(0).integers(0, 256, (4, 4, 4, channels)).astype("uint8")
        model = keras_ssl.SimCLR(
            encoder((4, 4, channels)), projector=(4, 3), views=views.simclr(color=False, blur=False)
        )
        first, second = inputs(model, x)
        assert first.shape == x.shape and not np.array_equal(first, second)
