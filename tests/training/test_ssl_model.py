"""The base model: what `fit` takes, what it refuses, what it promises."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.random import permutation
from keras_ssl.training import Field, Step
from tests.objectives.tiny import OBJECTIVES


def encoder():
    """Without convolutions, which take most of the time to compile a step."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(8), keras.layers.BatchNormalization()]
    return keras.Sequential([keras.layers.Input((8, 8, 3)), *layers])


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Twins(keras_ssl.SSLModel):
    """The simplest objective: the mean squared distance of two views' features; remembers what it was given."""

    def default_views(self):
        ops = [keras_ssl.views.RandomFlip(0.5), keras_ssl.views.RandomGrayscale(0.5)]  # cheap to compile
        return keras_ssl.views.MultiView([keras_ssl.views.Compose(ops)] * 2)

    def embed(self, batch, step):
        first, second = self.make_views(batch, step)[:2]
        embeddings = {
            "z1": self.encoder(first, training=step.training),
            "z2": self.encoder(second, training=step.training),
        }
        return {
            **embeddings,
            **{key: batch[key] for key in ("y", "index", "group") if key in batch},
            "position": step.position,
        }

    def objective(self, embeddings, step):
        distance = keras.ops.mean(keras.ops.square(embeddings["z1"] - embeddings["z2"]))
        seen = {key: keras.ops.sum(value) for key, value in embeddings.items() if key not in ("z1", "z2")}
        return distance, seen


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class NeedsGroups(Twins):
    fields = {"group": Field("int32")}


OF_12 = (28 * 8 + 38 * 4) / 12  # the sums of 0 to 7 and of 8 to 11, weighted by the size of their batches


def images(count=16, size=8, channels=3, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, size, size, channels)).astype("uint8")


def compiled(model, **options):
    model.compile(keras.optimizers.SGD(options.pop("learning_rate", 0.01)), **options)
    return model


def fit(model, *data, **options):
    return model.fit(*data, verbose=0, **{"batch_size": 8, **options}).history


class TestData:
    def test_array_and_labels_and_index(self):
        history = fit(compiled(Twins(encoder())), images(), np.arange(16))
        assert history["y"] == pytest.approx([np.arange(16).sum() / 2])
        assert history["index"] == pytest.approx([np.arange(16).sum() / 2])
        assert history["position"] == pytest.approx([np.arange(8).sum()])

    def test_pair_in_one_argument_is_images_and_labels(self):
        assert "y" in fit(compiled(Twins(encoder())), (images(), np.arange(16)))

    def test_dict(self):
        history = fit(compiled(Twins(encoder())), {"x": images(), "group": np.ones(16, "int32")})
        assert history["group"] == pytest.approx([8])

    def test_ready_made_views_are_not_changed(self):
        model = compiled(Twins(encoder()), learning_rate=0.0)
        assert fit(model, (images(), images()))["loss"][-1] == 0.0
        assert fit(model, (images(), images(seed=1)))["loss"][-1] > 0.0

    def test_data_set_of_dicts(self):
        data = keras_ssl.data.from_arrays(images(), y=np.arange(16), batch_size=8)
        assert "y" in compiled(Twins(encoder())).fit(data, verbose=0).history

    def test_labels_in_a_column(self):
        """`keras.datasets` gives [N, 1]."""
        history = fit(compiled(Twins(encoder())), images(), np.arange(16)[:, np.newaxis])
        assert history["y"] == pytest.approx([np.arange(16).sum() / 2])

    def test_a_generator_of_bare_arrays(self):
        def batches():
            while True:
                yield images()[:8]

        model = compiled(Twins(encoder()))
        assert "loss" in model.fit(batches(), steps_per_epoch=2, verbose=0).history
        assert np.isfinite(model.evaluate(batches(), steps=1, verbose=0, return_dict=True)["loss"])

    @pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data belongs to TensorFlow")
    def test_tf_data_of_pairs(self):
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((images(), np.arange(16))).batch(8, drop_remainder=True)
        assert "y" in compiled(Twins(encoder())).fit(data, verbose=0).history
        column = tf.data.Dataset.from_tensor_slices((images(), np.arange(16)[:, None])).batch(8, drop_remainder=True)
        assert compiled(Twins(encoder())).fit(column, verbose=0).history["y"] == pytest.approx(
            [np.arange(16).sum() / 2]
        )

    @pytest.mark.slow
    def test_types_of_the_same_images_are_the_same(self):
        losses = [
            fit(compiled(same_start(Twins(encoder())), learning_rate=0.0), x)["loss"][-1]
            for x in (images(), images().astype("uint16") * 257, (images() / 255).astype("float32"))
        ]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-5)

    def test_other_channel_counts(self):
        net = keras_ssl.encoders.ConvNet(widths=(8, 16), input_shape=(None, None, 5))
        twins = compiled(Twins(net, views=keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.5)] * 2)))
        assert np.isfinite(fit(twins, images(channels=5))["loss"]).all()

    def test_vectors(self):
        inputs = keras.Input((6,))
        net = keras.Model(inputs, keras.layers.Dense(4)(inputs))
        x = np.random.RandomState(0).rand(16, 6).astype("float32")
        assert fit(compiled(Twins(net)), (x, x))["loss"] == [0.0]

    def test_order_is_that_of_seed_and_epoch(self):
        seen = []

        class Watch(keras_ssl.SSLModel):
            def embed(self, batch, step):
                return {"z": self.encoder(batch["x"]), "index": batch["index"]}

            def objective(self, embeddings, step):
                rank = keras.ops.cast(keras.ops.arange(1, 5), "float32")
                return keras.ops.mean(embeddings["z"]), {
                    "code": keras.ops.sum(rank * keras.ops.cast(embeddings["index"], "float32"))
                }

        class Keep(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                self.model.reset_metrics()

            def on_train_batch_end(self, batch, logs=None):
                seen.append(float(logs["code"]))

        model = compiled(Watch(encoder(), views=keras_ssl.views.simclr(), seed=3))
        fit(model, images(12), batch_size=4, epochs=3, initial_epoch=1, callbacks=[Keep()])
        orders = [permutation(12, 3, epoch).reshape(3, 4) for epoch in (1, 2)]
        expected = [float(rows @ np.arange(1, 5)) for order in orders for rows in order]
        assert seen == expected


def same_start(model):
    """Weights that do not depend on the order in which models are made."""
    random = np.random.RandomState(0)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.1, weight.shape))
    return model


class TestErrors:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (images()[0], "x"),
            (images(channels=4), "4"),
            (np.zeros((16, 8, 8, 3), "complex64"), "complex64"),
            (np.full((16, 8, 8, 3), np.nan, "float32"), "NaN"),
            (images(1), "at least two"),
            ({"x": images(), "lables": np.arange(16)}, "lables"),
            ({"y": np.arange(16)}, "'x'"),
            ((images(), images(12)), "same number"),
        ],
    )
    def test_bad_data(self, data, message):
        model = compiled(Twins(encoder()))
        with pytest.raises(ValueError, match=message) as caught:
            model.fit(data, verbose=0)
        assert "Received:" in str(caught.value)
        assert int(model.step) == 0

    def test_missing_key_is_named(self):
        with pytest.raises(ValueError, match="'group'.*Received: keys=.*'x'"):
            fit(compiled(NeedsGroups(encoder())), images())

    def test_missing_key_in_a_data_set_is_named(self):
        data = keras_ssl.data.from_arrays(images(), batch_size=8)
        with pytest.raises(ValueError, match="'group'"):
            compiled(NeedsGroups(encoder())).fit(data, verbose=0)

    def test_batch_of_one(self):
        with pytest.raises(ValueError, match="batch_size=1"):
            fit(compiled(Twins(encoder())), images(), batch_size=1)

    def test_batch_larger_than_the_data(self):
        with pytest.raises(ValueError, match="batch_size=32"):
            fit(compiled(Twins(encoder())), images(), batch_size=32)

    def test_loss_has_no_place(self):
        with pytest.raises(ValueError, match="`loss`.*Received"):
            Twins(encoder()).compile("sgd", loss="mse")

    def test_feature_maps_are_not_features(self):
        with pytest.raises(ValueError, match=r"\[N, D\]"):
            Twins(keras_ssl.encoders.ConvNet(widths=(8, 16), pooling=None))

    def test_unbuilt_encoder(self):
        with pytest.raises(ValueError, match="built"):
            Twins(keras.Sequential([keras.layers.Dense(3)]))

    @pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
    def test_seed_out_of_range(self, seed):
        with pytest.raises(ValueError, match="seed"):
            Twins(encoder(), seed=seed)

    def test_one_view_is_too_few(self):
        model = compiled(Twins(encoder(), views=keras_ssl.views.MultiView([keras_ssl.views.Identity()])))
        with pytest.raises(ValueError, match="2 views"):
            fit(model, images())

    def test_labels_beside_a_data_set(self):
        data = keras_ssl.data.from_arrays(images(), batch_size=8)
        with pytest.raises(ValueError, match="go with arrays"):
            compiled(Twins(encoder())).fit(data, np.arange(16))


class TestUse:
    def test_call_and_predict_give_features(self):
        model = Twins(encoder())
        features = model.predict(images(), verbose=0)
        assert features.shape == (16, model.feature_dim)
        np.testing.assert_allclose(features, np.asarray(model(images())), atol=1e-5)

    def test_from_config_leaves_the_config_as_it_was(self):
        x = images = keras.Input((8, 8, 3))
        x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
        config = Twins(keras.Model(images, x)).get_config()
        first, second = (Twins.from_config(config) for _ in range(2))
        assert first.get_config() == second.get_config() == config

    def test_nests_in_another_model(self):
        model = Twins(encoder())
        pixels = keras.Input((8, 8, 3), dtype="uint8")
        classifier = keras.Sequential([pixels, model, keras.layers.Dense(4, activation="softmax")])
        classifier.compile("sgd", "sparse_categorical_crossentropy")
        before = model.encoder.get_weights()[0]
        classifier.fit(images(), np.arange(16) % 4, verbose=0)
        assert not np.array_equal(before, model.encoder.get_weights()[0])

    def test_evaluate_is_deterministic_and_leaves_weights_alone(self):
        model = compiled(Twins(encoder()))
        before = [np.asarray(w) for w in model.get_weights()]
        first, second = (model.evaluate(images(), batch_size=8, verbose=0, return_dict=True) for _ in range(2))
        assert first == second and first["loss"] > 0
        assert model.evaluate(images(), batch_size=8, verbose=0)[0] == first["loss"]
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))

    def test_evaluation_views_differ_between_batches(self):
        model = compiled(Twins(encoder()))
        same = np.repeat(images(1), 8, axis=0)
        one = model.evaluate(same, batch_size=8, verbose=0)[0]
        two = model.evaluate(np.concatenate([same, same]), batch_size=8, verbose=0)[0]
        assert one != pytest.approx(two, rel=1e-6)

    def test_validation_data_is_reported(self):
        history = fit(compiled(Twins(encoder())), images(), validation_split=0.25, validation_batch_size=4)
        assert history["val_loss"][0] > 0

    @pytest.mark.slow
    def test_validation_reads_what_fit_reads_in_batches_of_its_size(self):
        x, y, held_out, labels = images(), np.arange(16), images(12, seed=1), np.arange(12)
        for data in ((held_out, labels), (held_out, labels, None), {"x": held_out, "y": labels}):
            model = compiled(Twins(encoder()))
            history = fit(model, x, y, validation_data=data, epochs=2)
            assert history["val_y"] == history["val_index"] == [pytest.approx(OF_12)] * 2
            evaluated = model.evaluate(held_out, labels, batch_size=8, verbose=0, return_dict=True)
            assert history["val_loss"][-1] == pytest.approx(evaluated["loss"], rel=1e-6)

    @pytest.mark.slow
    def test_validation_takes_ready_made_views(self):
        views = (images(12), images(12, seed=1))
        history = fit(compiled(Twins(encoder())), images(), validation_data=views)
        labelled = fit(compiled(Twins(encoder())), images(), np.arange(16), validation_data=(views, np.arange(12)))
        assert history["val_loss"][0] > 0 and labelled["val_y"] == [pytest.approx(OF_12)]

    def test_what_cannot_be_evaluated_is_refused_before_training(self):
        model = compiled(Twins(encoder()))
        for options in ({"validation_data": images(9)}, {"validation_split": 5 / 16, "validation_batch_size": 2}):
            with pytest.raises(ValueError, match="at least two samples.*Received: . samples in batches of"):
                fit(model, images(), **options)
        with pytest.raises(ValueError, match="must have 3 channels.*Received: x.shape="):
            fit(model, images(), validation_data=images(channels=1))
        with pytest.raises(ValueError, match="`x` must be finite. Received: x with NaN or infinity in sample 0"):
            fit(model, images(), validation_data=np.full((8, 8, 8, 3), np.nan, "float32"))
        assert int(model.step) == 0

    def test_validation_is_that_of_this_fit_after_one_that_failed(self):
        class Fail(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                raise RuntimeError("for the test")

        model = compiled(Twins(encoder()), learning_rate=0.0)
        with pytest.raises(RuntimeError, match="for the test"):
            fit(model, images(), validation_data=images(8), callbacks=[Fail()])
        other = images(8, seed=5)
        history = fit(model, images(), validation_data=other)
        assert history["val_loss"] == [pytest.approx(model.evaluate(other, batch_size=8, verbose=0)[0], rel=1e-6)]

    def test_validation_on_the_training_data_set_itself_is_refused(self):
        data = keras_ssl.data.from_arrays(images(), batch_size=8)
        with pytest.raises(ValueError, match="data set of its own.*Received: validation_data=x, of type ArrayBatches"):
            fit(compiled(Twins(encoder())), data, batch_size=None, validation_data=data)
        assert data.epoch == 0

    def test_step_counts_steps_and_is_saved(self, tmp_path):
        model = compiled(Twins(encoder()))
        fit(model, images(), epochs=2)
        assert int(model.step) == 4
        model.save(tmp_path / "model.keras")
        assert int(keras.saving.load_model(tmp_path / "model.keras").step) == 4

    def test_views_change_from_step_to_step(self):
        model = compiled(Twins(encoder()), learning_rate=0.0)
        assert len(set(fit(model, images(8), epochs=3, batch_size=8, shuffle=False)["loss"])) == 3

    def test_planned_updates(self):
        model = compiled(Twins(encoder()))
        fit(model, images(), epochs=3)
        assert int(model.total_updates) == 6
        fit(model, images(), epochs=1)
        assert int(model.total_updates) == 8

    def test_weight_decay_of_the_encoder_counts(self):
        inputs = keras.Input((8, 8, 3))
        outputs = keras.layers.Dense(4, kernel_regularizer="l2")(keras.layers.Flatten()(inputs))
        model = compiled(Twins(keras.Model(inputs, outputs)), learning_rate=0.0)
        kernel = np.asarray(model.encoder.layers[-1].kernel)
        loss = fit(model, (images(), images()))["loss"][0]
        assert loss == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)


class TestStep:
    def test_several_steps_per_execution(self):
        once, often = (compiled(same_start(Twins(encoder())), steps_per_execution=steps) for steps in (1, 2))
        losses = [fit(model, images(32), epochs=2)["loss"] for model in (once, often)]
        np.testing.assert_allclose(*losses, rtol=1e-5)

    @pytest.mark.slow
    def test_state_counts_updates_not_micro_batches(self):
        model = OBJECTIVES["byol"]()
        model.compile(keras.optimizers.SGD(0.01, gradient_accumulation_steps=2))
        changed = [model.teacher.modules[1].get_weights()[0]]

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if keras.backend.backend() == "jax":
                    self.model.jax_state_sync()
                changed.append(self.model.teacher.modules[1].get_weights()[0])

        fit(model, images(32), callbacks=[Watch()])
        moved = [not np.array_equal(a, b) for a, b in zip(changed, changed[1:], strict=False)]
        assert moved == [False, True, False, True]
        assert int(model.step) == 4 and int(model.updates) == 2

    @pytest.mark.slow
    def test_a_step_that_loss_scaling_skips_changes_no_state(self):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            model = OBJECTIVES["moco"]()
        finally:
            keras.config.set_dtype_policy("float32")
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=1e38)
        model.compile(scaled)
        queue = np.asarray(model.queue.contents)
        fit(model, images(8))
        assert int(model.step) == 1 and int(model.updates) == 0
        assert np.array_equal(queue, np.asarray(model.queue.contents))

    @pytest.mark.slow
    def test_clipping_bounds_the_update(self):
        def update_norm(**options):
            model = same_start(Twins(encoder()))
            model.compile(keras.optimizers.SGD(1.0, **options))
            before = [np.asarray(w) for w in model.trainable_weights]
            fit(model, images(8))
            squares = [np.square(w - b).sum() for w, b in zip(model.trainable_weights, before, strict=True)]
            return float(np.sqrt(np.sum([np.asarray(square) for square in squares])))

        free = update_norm()
        assert update_norm(global_clipnorm=free / 4) == pytest.approx(free / 4, rel=1e-3)

    def test_one_program_per_fit(self):
        traces = []

        class Counts(Twins):
            def objective(self, embeddings, step):
                traces.append(1)
                return super().objective(embeddings, step)

        model = compiled(Counts(encoder()))
        fit(model, images(32), epochs=3)
        first = len(traces)
        fit(model, images(32), epochs=2)
        assert len(traces) == first == 1

    @pytest.mark.slow
    def test_eager_equals_compiled(self):
        losses = [
            fit(compiled(same_start(Twins(encoder())), run_eagerly=eager), images())["loss"] for eager in (False, True)
        ]
        np.testing.assert_allclose(*losses, rtol=1e-5)


class TestDrawsOfAnObjective:
    def test_shuffled_rows_are_all_rows_in_an_order_of_the_step(self):
        model, rows = Twins(encoder()), np.arange(12.0, dtype="float32").reshape(6, 2)
        first, again, later = (
            keras.ops.convert_to_numpy(model.shuffled(rows, Step.at(6, index=index))) for index in (3, 3, 4)
        )
        assert sorted(map(tuple, first)) == sorted(map(tuple, rows))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, later)

    def test_the_stream_of_a_step_has_one_row_for_all(self):
        draws = [
            keras.ops.convert_to_numpy(Step.at(count, index=3).shared_stream().uniform(shape=(3,))) for count in (2, 6)
        ]
        assert draws[0].shape == (1, 3)
        np.testing.assert_array_equal(*draws)
        own = Step.at(6, index=3).stream().uniform(shape=(3,))
        assert not np.array_equal(draws[0], keras.ops.convert_to_numpy(own)[:1])


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class AtMostTen(Twins):
    def check_samples(self, fields, whole, batch_size=None):
        super().check_samples(fields, whole, batch_size)
        if whole and len(fields["index"]) > 10:
            raise ValueError(f"too many. Received: batch_size={batch_size}")


def test_an_objective_can_refuse_samples_before_any_training():
    model = compiled(AtMostTen(encoder()))
    with pytest.raises(ValueError, match="too many. Received: batch_size="):
        fit(model, images(16))
    assert int(keras.ops.convert_to_numpy(model.step)) == 0
    assert "loss" in fit(model, images(8))
