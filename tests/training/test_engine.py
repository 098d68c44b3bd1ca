"""The engine: scopes of a loss, gradients at other weights and of single terms, fields, columns."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import cheap_views, tiny_model
from keras_ssl.testing.tiny_model import tiny_encoder as encoder
from keras_ssl.training import Combined, Field, Step, Term, engine
from keras_ssl.training.functional import apply, value_and_gradients

X = np.random.RandomState(0).normal(size=(12, 5)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, -1, -1, 0, -1, 2, 1], "int32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def linear():
    return keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3, use_bias=False)])


HALVES = {"first": slice(6), "second": slice(6, None)}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Regression(keras_ssl.SSLModel):
    """The squared features of labeled samples, as a term; twice their mean, as a loss of the batch."""

    fields = {"y": Field("int32", missing=-1), "weight": Field("float32", missing=1.0)}
    scope = "both"

    def default_views(self):
        return lambda x, stream: x

    def embed(self, batch, step):
        z = self.encoder(batch["x"], training=step.training)
        return {"z": z, "y": batch["y"], "weight": batch["weight"]}

    def objective(self, embeddings, step):
        return 2.0 * keras.ops.mean(embeddings["z"]), {}

    def sample_terms(self, embeddings, step):
        squares = keras.ops.sum(keras.ops.square(embeddings["z"]), axis=1)
        labeled = keras.ops.cast(embeddings["y"] >= 0, "float32") * embeddings["weight"]
        return {"square": Term(squares, labeled, 0.5), "seen": (labeled, None, 0.0)}


def made():
    model = Regression(linear())
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=keras.backend.backend() == "tensorflow")
    return model


def test_a_loss_of_both_scopes_and_its_gradient_in_closed_form():
    model = made()
    w = numbers(model.trainable_variables[0]).astype("float64")
    x, labeled = X.astype("float64"), (Y >= 0).astype("float64")
    z = x @ w
    loss = 2 * z.mean() + 0.5 * (labeled * (z**2).sum(axis=1)).sum() / labeled.sum()
    slope = 2 * np.ones_like(z) / z.size + 0.5 * 2 * labeled[:, None] * z / labeled.sum()
    history = model.fit({"x": X, "y": Y}, batch_size=12, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(loss, rel=1e-5)
    assert history["square"][0] == pytest.approx((labeled * (z**2).sum(axis=1)).sum() / labeled.sum(), rel=1e-5)
    assert history["seen"][0] == pytest.approx(labeled.mean())
    np.testing.assert_allclose(numbers(model.trainable_variables[0]), w - 0.1 * x.T @ slope, atol=1e-5)


def test_gradients_of_the_parts_add_up_to_that_of_the_loss():
    model = made()
    batch, step = engine.prepare(model, {"x": X, "y": Y}, training=True)
    outcome, (whole,) = model.loss_and_gradients(batch, step)
    again, parts = model.loss_and_term_gradients(batch, step)
    assert sorted(parts) == ["objective", "square"]
    np.testing.assert_allclose(numbers(parts["objective"][0]) + numbers(parts["square"][0]), numbers(whole), atol=1e-6)
    assert float(outcome.loss) == pytest.approx(float(again.loss))


def test_gradients_at_other_weights_change_no_weight():
    model = made()
    batch, step = engine.prepare(model, {"x": X, "y": Y}, training=True)
    variable = model.trainable_variables[0]
    before, elsewhere = numbers(variable).copy(), np.ones((5, 3), "float32")
    _, (there,) = model.loss_and_gradients(batch, step, at=[keras.ops.convert_to_tensor(elsewhere)])
    np.testing.assert_array_equal(numbers(variable), before)
    variable.assign(elsewhere)
    _, (here,) = model.loss_and_gradients(batch, step)
    np.testing.assert_allclose(numbers(there), numbers(here), rtol=1e-6)


class Sharp(Regression):
    """Sharpness-aware minimization in five lines: the gradient at the worst weights nearby."""

    def gradients(self, batch, step):
        outcome, gradients = self.loss_and_gradients(batch, step)
        norm = keras.ops.sqrt(sum(keras.ops.sum(keras.ops.square(g)) for g in gradients))
        pairs = zip(self.trainable_variables, gradients, strict=True)
        at = [keras.ops.convert_to_tensor(w) + 0.05 * g / norm for w, g in pairs]
        return outcome, self.loss_and_gradients(batch, step, at)[1]


def test_a_method_may_take_its_gradient_elsewhere():
    model = Sharp(linear())
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=keras.backend.backend() == "tensorflow")
    w = numbers(model.trainable_variables[0]).astype("float64")
    x, labeled = X.astype("float64"), (Y >= 0).astype("float64")

    def slope(at):
        z = x @ at
        return x.T @ (2 * np.ones_like(z) / z.size + labeled[:, None] * z / labeled.sum())

    first = slope(w)
    expected = w - 0.1 * slope(w + 0.05 * first / np.sqrt((first**2).sum()))
    model.fit({"x": X, "y": Y}, batch_size=12, shuffle=False, verbose=0)
    np.testing.assert_allclose(numbers(model.trainable_variables[0]), expected, atol=1e-5)


def test_a_field_that_is_missing_takes_its_value_or_is_named():
    model = made()
    assert model.fit(X, batch_size=12, verbose=0).history["seen"] == [0.0]

    class Needs(Regression):
        fields = {"z": Field("float32", (4,))}

    needs = Needs(linear())
    needs.compile("sgd")
    with pytest.raises(ValueError, match="needs the batch key 'z'"):
        needs.fit(X, batch_size=12, verbose=0)


def test_fields_of_an_objective_s_own_come_with_arrays_and_streams_as_declared():
    weight = np.where(np.arange(12) % 2, 0.25, 1.0)  # float64, as users have it
    expected = (weight * (Y >= 0)).mean()
    arrays = {"x": X, "y": Y.astype("int64"), "weight": weight}
    assert made().fit(arrays, batch_size=12, verbose=0).history["seen"] == [pytest.approx(expected)]
    assert made().evaluate(arrays, batch_size=12, verbose=0, return_dict=True)["seen"] == pytest.approx(expected)
    halves = {name: {key: value[rows] for key, value in arrays.items()} for name, rows in HALVES.items()}
    data = keras_ssl.data.from_streams(halves, (1, 1), batch_size=12)
    assert made().fit(data, verbose=0).history["seen"] == [pytest.approx(expected)]


def test_a_batch_s_fields_are_cast_to_what_they_declare():
    given = {"x": X, "y": Y.astype("int64"), "weight": np.ones(12)}
    batch, _ = engine.prepare(made(), {key: keras.ops.convert_to_tensor(value) for key, value in given.items()}, True)
    assert keras.backend.standardize_dtype(batch["y"].dtype) == "int32"
    assert keras.backend.standardize_dtype(batch["weight"].dtype) == "float32"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (Field("int32", ()), np.zeros((4, 2), "int32"), r"shape \[N\]. Received: f.shape=\(4, 2\)"),
        (Field("float32", (3,)), np.zeros((4, 2), "float32"), r"shape \[N, 3\]. Received: f.shape=\(4, 2\)"),
        (Field("int32", ()), np.zeros(4, "float32"), "must hold integers. Received: f.dtype=float32"),
    ],
)
def test_a_field_of_another_form_is_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        field.check("f", value)


def test_a_field_of_any_size_passes():
    Field("float32", (None, 2)).check("f", np.zeros((4, 7, 2), "float32"))
    Field("float32", ()).check("f", np.zeros(4, "int32"))


def test_terms_must_have_a_value_per_sample():
    class Wrong(Regression):
        def sample_terms(self, embeddings, step):
            return {"square": Term(embeddings["z"])}

    model = Wrong(linear())
    with pytest.raises(ValueError, match=r"Received: square with values.shape=\(12, 3\)"):
        engine.forward(model, *engine.prepare(model, {"x": X}, training=True))


def test_a_sample_of_weight_zero_does_not_count_even_if_it_is_nan():
    terms = engine.as_terms({"a": Term(np.array([1.0, np.nan, 3.0], "float32"), np.array([1.0, 0.0, 1.0], "float32"))})
    assert [float(part) for part in engine.local_sums(terms)] == [4.0, 2.0]


def test_progress_goes_from_zero_to_one_and_is_zero_where_the_end_is_unknown():
    found = [float(Step.at(1, updates=u, total_updates=8).progress) for u in (0, 2, 8, 9)]
    assert found == [0.0, 0.25, 1.0, 1.0] and float(Step.at(1, updates=5).progress) == 0.0


class TestCombined:
    def members(self, shared, **options):
        return {
            "simclr": keras_ssl.SimCLR(shared, projector=(8, 4), views=cheap_views(), **options),
            "byol": keras_ssl.BYOL(shared, projector=(8, 4), predictor=(8, 4), views=cheap_views(), seed=1),
        }

    def images(self):
        return np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")

    def test_loss_and_gradient_are_the_weighted_sums(self):
        shared = encoder()
        members = self.members(shared)
        model = Combined(members, {"simclr": 0.5, "byol": 2.0})
        batch, step = engine.prepare(model, self.images(), training=True)
        outcome, gradients = model.loss_and_gradients(batch, step)
        total, expected = 0.0, {id(v): 0.0 for v in model.trainable_variables}
        for name, weight in (("simclr", 0.5), ("byol", 2.0)):
            own, slopes = members[name].loss_and_gradients(*engine.prepare(members[name], self.images(), training=True))
            total += weight * float(own.loss)
            for variable, slope in zip(members[name].trainable_variables, slopes, strict=True):
                expected[id(variable)] = expected[id(variable)] + weight * numbers(slope)
        assert float(outcome.loss) == pytest.approx(total, rel=1e-5)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            np.testing.assert_allclose(numbers(gradient), expected[id(variable)], atol=1e-4)

    @pytest.mark.parametrize(
        "options", [{"value_range": (0, 4095)}, {"preprocessing": keras.layers.Rescaling(1 / 255)}]
    )
    def test_an_encoder_gets_pixels_of_one_kind(self, options):
        with pytest.raises(ValueError, match="one way.*Received: preprocessing=.* in 'simclr', .* in 'byol'"):
            Combined(self.members(encoder(), **options))

    def test_the_range_of_values_is_that_of_the_objectives(self):
        options = {"value_range": (0, 4095), "preprocessing": keras.layers.Rescaling(1 / 4095)}
        model = Combined({"simclr": self.members(encoder(), **options)["simclr"]})
        assert model.value_range == (0, 4095)
        model.check_values(16 * self.images().astype("int16"))

    def test_config_keeps_one_encoder(self):
        model = Combined(self.members(encoder()))
        again = Combined.from_config(model.get_config())
        assert len({id(member.encoder) for member in again.members.values()}) == 1
        assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
        assert again.get_config() == model.get_config()

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda self: {}, "must hold SSLModels"),
            (lambda self: {"a": self.members(encoder())["simclr"], **self.members(encoder())}, "one encoder object"),
        ],
    )
    def test_refuses(self, make, message):
        with pytest.raises(ValueError, match=message):
            Combined(make(self))


def test_functional_apply_sees_other_weights_and_keeps_state():
    norm = keras.layers.BatchNormalization()
    norm.build((None, 5))
    moving = numbers(norm.moving_mean).copy()
    found = apply(norm, [norm.gamma], [keras.ops.full((5,), 2.0)], X, training=True)
    assert numbers(found).std() == pytest.approx(2.0, rel=1e-2)
    np.testing.assert_array_equal(numbers(norm.moving_mean), moving)
    with pytest.raises(ValueError, match="1 variables, 0 values"):
        apply(norm, [norm.gamma], [], X)


def test_functional_gradients():
    model = linear()
    value, (gradient,) = value_and_gradients(lambda: keras.ops.sum(model(X)), model)
    assert float(value) == pytest.approx(float(numbers(model(X)).sum()), rel=1e-5)
    np.testing.assert_allclose(numbers(gradient), np.repeat(X.sum(axis=0)[:, None], 3, axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MAE", []), ("FixMatch", []), ("SimilarityDistillation", ["teacher"])],
)
def test_losses_of_samples_gather_nothing_but_what_they_keep(name, expected, monkeypatch):
    """Predictions of all patches of a global batch would be gigabytes."""
    model, gathered = tiny_model(name), []
    original = model.backend.gather
    monkeypatch.setattr(model.backend, "gather", lambda tensors: gathered.extend(tensors) or original(tensors))
    images = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype("uint8")
    outcome = engine.forward(model, *engine.prepare(model, {"x": images}, training=True))
    assert gathered == expected and sorted(outcome.embeddings) == expected
