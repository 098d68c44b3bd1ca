"""What TabularJEPA computes: a slow reference, limits, and tables through `fit`, `evaluate` and `predict`."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders import TabularTransformer
from keras_ssl.testing import check_objective
from keras_ssl.testing.check_objective import random_arrays
from keras_ssl.testing.tiny_model import tiny_model, tiny_table
from keras_ssl.training import Step, engine
from tests.objectives.reference import value
from tests.references import tabular_jepa as reference

N = 36
EAGERLY = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.fixture
def model():
    return tiny_model("TabularJEPA")


@pytest.fixture
def columns(model):
    return random_arrays(model)["x"]


def embedded(model, columns, **options):
    return {name: numbers(part) for name, part in model.embed({"x": columns}, Step.at(N, **options)).items()}


def masks(model):
    context, targets = model.mask.split(Step.at(N).stream(), (8,))
    return numbers(context), numbers(targets)


def test_the_loss_is_that_of_the_reference(model, columns):
    for weight in model.encoder.trainable_weights:  # a student unlike its teacher
        weight.assign(weight + 0.1 * keras.random.normal(weight.shape, seed=1))
    z = embedded(model, columns)
    teacher = model.teacher.modules[0]
    whole = numbers(teacher.encode(teacher.tokens(columns)))[:, 1:]
    expected = reference.loss(z["prediction"], whole, masks(model)[1])
    terms = model.sample_terms(z, Step.at(N))
    np.testing.assert_allclose(numbers(terms["prediction"].values), expected, rtol=1e-4)
    local = {name: keras.ops.convert_to_tensor(part) for name, part in z.items()}
    assert value(engine.reduce(model, local, Step.at(N)).loss) == pytest.approx(expected.mean(), rel=1e-4)


def test_values_outside_of_the_context_change_neither_its_encoding_nor_the_prediction(model, columns):
    context, _ = masks(model)
    seen = np.zeros((N, 8), bool)
    np.put_along_axis(seen, context, True, axis=1)
    others = {  # another number, another category, where the column is not seen
        name: np.where(seen[:, place], column, 1 - column).astype(column.dtype)
        for place, (name, column) in enumerate(columns.items())
    }

    def encoding(x):
        return numbers(model.encoder.encode(model.encoder.tokens(x), context))

    np.testing.assert_array_equal(encoding(columns), encoding(others))
    before, after = embedded(model, columns), embedded(model, others)
    np.testing.assert_allclose(before["prediction"], after["prediction"], atol=1e-6)
    assert np.abs(before["target"] - after["target"]).max() > 0.1


def test_a_predictor_that_is_the_identity_has_no_loss_where_all_is_seen_and_wanted(model, columns):
    everything = np.tile(np.arange(8, dtype="int32"), (N, 1))
    model.mask.split = lambda stream, grid: (everything, everything[:, None])
    model.predict_tokens = lambda seen, context, targets: seen[:, None, 1:]
    z = embedded(model, columns)
    assert np.abs(z["prediction"]).max() > 0.1
    np.testing.assert_allclose(z["prediction"], z["target"], atol=1e-6)


def test_no_gradient_comes_by_way_of_the_target(model, columns):
    """The loss's gradient is that of the prediction against fixed targets."""
    model.compile("sgd")
    batch, step = engine.prepare(model, {"x": columns}, training=True)
    _, gradients = model.gradients(batch, step)
    target = keras.ops.convert_to_tensor(embedded(model, columns)["target"])
    embed = model.embed
    model.embed = lambda batch, step: {**embed(batch, step), "target": target}
    _, fixed = model.gradients(batch, step)
    for mine, theirs in zip(gradients, fixed, strict=True):
        np.testing.assert_allclose(numbers(mine), numbers(theirs), atol=1e-6)
    assert not model.teacher.trainable_weights


@pytest.mark.parametrize("momentum", [1.0, 0.0])
def test_a_momentum_of_one_keeps_the_teacher_and_of_zero_copies_the_student(momentum, columns):
    model = tiny_model("TabularJEPA", momentum=momentum, final_momentum=None)
    start = model.encoder.get_weights()
    model.compile(keras.optimizers.SGD(0.1), **EAGERLY)
    model.fit(columns, batch_size=12, verbose=0)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(start, model.encoder.get_weights(), strict=True))
    expected = start if momentum else model.encoder.get_weights()
    for mine, theirs in zip(model.teacher.modules[0].get_weights(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_every_column_s_embedding_tells_the_predictor_what_is_wanted(model, columns):
    z = embedded(model, columns)
    model.column_embedding.assign(np.zeros(model.column_embedding.shape))
    same = embedded(model, columns)["prediction"]
    np.testing.assert_allclose(same, np.broadcast_to(same[:, :, :1], same.shape), atol=1e-5)
    assert np.abs(z["prediction"] - z["prediction"][:, :, :1]).max() > 1e-3


def test_columns_named_x_and_y_are_columns():
    held = {"mean": 0.0, "std": 1.0}
    model = keras_ssl.TabularJEPA(TabularTransformer({"x": held, "y": held, "rows": held}, 8, 1, 2), 0.4, 0.3, 1)
    drawn = {name: np.random.default_rng(0).normal(size=24) for name in ("x", "y", "rows")}
    model.compile("sgd", **EAGERLY)
    logs = model.fit(drawn, batch_size=12, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert model.predict(drawn, verbose=0).shape == (24, 8)


def test_a_table_in_every_form(model, columns):
    y = np.arange(N) % 2
    model.compile("sgd", **EAGERLY)
    wide = {name: column.astype(column.dtype.kind + "8") for name, column in columns.items()}
    logs = model.fit(wide, y, batch_size=12, validation_data=(columns, y), verbose=0).history
    assert np.isfinite([logs["loss"], logs["val_loss"]]).all()
    model.fit({"x": columns, "y": y, "group": y}, batch_size=12, validation_split=0.4, verbose=0)
    lists = {name: column.tolist() for name, column in columns.items()}
    assert model.evaluate(lists, verbose=0) == pytest.approx(model.evaluate({"x": columns, "y": y}, verbose=0))
    features = numbers(model.encoder(columns))
    np.testing.assert_allclose(numbers(model(columns)), features, atol=1e-6)
    np.testing.assert_allclose(model.predict(columns, batch_size=10, verbose=0), features, atol=1e-5)
    found = keras_ssl.evaluation.extract_features(model, wide, batch_size=10)
    np.testing.assert_allclose(found, features, atol=1e-5)
    batches = keras_ssl.data.from_arrays(columns, y, batch_size=12)
    assert np.isfinite(model.fit(batches, verbose=0).history["loss"]).all()
    np.testing.assert_allclose(model.predict(batches, verbose=0), numbers(model(columns)), atol=1e-5)


def test_tf_data_of_tables(model, columns):
    tf = pytest.importorskip("tensorflow")
    model.compile("sgd", **EAGERLY)
    bare = tf.data.Dataset.from_tensor_slices(columns).batch(18)
    labeled = tf.data.Dataset.from_tensor_slices((columns, np.arange(N) % 2)).batch(18)
    named = tf.data.Dataset.from_tensor_slices({"x": columns, "y": np.arange(N) % 2}).batch(18)
    losses = [model.evaluate(data, verbose=0)[0] for data in (bare, labeled, named)]
    assert losses == pytest.approx([losses[0]] * 3)
    assert np.isfinite(model.fit(labeled, validation_data=named, verbose=0).history["val_loss"]).all()


def without(columns, name):
    return {key: column for key, column in columns.items() if key != name}


BAD = {
    "lacks 'flag'. Received: x with the columns": lambda x: without(x, "flag"),
    "has unknown 'age'": lambda x: {**x, "age": x["flag"]},
    r"len\(x\['number0'\]\)=36, len\(x\['kind'\]\)=30": lambda x: {**x, "kind": x["kind"][:30]},
    r"x\['number2'\] with NaN or infinity in sample 3": lambda x: {
        **x,
        "number2": np.where(np.arange(N) == 3, np.nan, 0),
    },
    r"categories from 0 to 2. Received: x\['kind'\] with 3 in sample 5": lambda x: {
        **x,
        "kind": np.where(np.arange(N) == 5, 3, 0),
    },
    "'kind' must hold integers": lambda x: {**x, "kind": x["kind"].astype("float32")},
    "'number1' must have the shape": lambda x: {**x, "number1": x["number1"][:, None]},
    "must be a dict of the columns 'number0'": lambda x: np.zeros((N, 8), "float32"),
}


@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_the_encoder_is_named_before_training(message, model, columns):
    model.compile("sgd")
    with pytest.raises(ValueError, match=message):
        model.fit(BAD[message](columns), batch_size=12, verbose=0)
    assert int(model.step) == 0


def test_predict_names_what_is_missing(model, columns):
    with pytest.raises(ValueError, match="lacks 'flag'"):
        model.predict(without(columns, "flag"), verbose=0)
    with pytest.raises(ValueError, match="categories from 0 to 1.*sample 0"):
        model(columns | {"flag": columns["flag"] + 2})


def test_other_encoders_are_refused():
    with pytest.raises(ValueError, match="a TokenEncoder for TabularJEPA.*TabularTransformer. Received: ConvNet"):
        keras_ssl.TabularJEPA(keras_ssl.encoders.ConvNet((4,)))
    from keras_ssl.testing.tiny_model import tiny_vit

    with pytest.raises(ValueError, match="must take a dict of columns for TabularJEPA.*Received: ViT"):
        keras_ssl.TabularJEPA(tiny_vit())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 1.0}, "context=1.0"),
        ({"context": 0.8, "target": 0.3}, "context=0.8, target=0.3"),
        ({"targets": 0}, "targets=0"),
        ({"predictor_depth": 0}, "predictor_depth=0"),
        ({"predictor_heads": 3}, "heads=3"),
        ({"views": lambda x, stream: [x]}, "makes no views"),
        ({"value_range": (0, 1)}, "value_range"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_model("TabularJEPA", **options)


def test_a_table_of_one_column_has_no_target():
    with pytest.raises(ValueError, match="two tokens or more. Received: 1 tokens"):
        keras_ssl.TabularJEPA(TabularTransformer({"age": {"mean": 0.0, "std": 1.0}}, 8, 1, 2))


def test_the_zoo_says_that_it_has_no_cards_of_tables(tmp_path):
    with pytest.raises(ValueError, match="encoder.save.*Received: TabularTransformer"):
        keras_ssl.export(tiny_model("TabularJEPA"), tmp_path / "entry")


@pytest.mark.slow
def test_keeps_its_contracts_on_this_backend():
    check_objective(lambda: tiny_model("TabularJEPA"), checks=["config", "file", "gradient", "resume", "collapse"])


def test_random_columns_are_those_of_the_encoder():
    drawn = random_arrays(tiny_model("TabularJEPA"))["x"]
    assert list(drawn) == list(tiny_table().columns)
    assert drawn["kind"].dtype == "int32" and drawn["number0"].dtype == "float32"


def test_callbacks_take_tables_wide_ones_too():
    held = {f"c{place}": {"mean": 0.0, "std": 1.0} for place in range(130)}
    model = keras_ssl.TabularJEPA(TabularTransformer(held, 8, 1, 2), predictor_depth=1, predictor_heads=2)
    drawn = {name: np.random.default_rng(0).normal(size=24) for name in held}
    model.compile("sgd", **EAGERLY)
    callbacks = [keras_ssl.callbacks.OnlineKNN(drawn, np.arange(24) % 2, k=3), keras_ssl.callbacks.StopOnNaN()]
    logs = model.fit(drawn, batch_size=12, verbose=0, callbacks=callbacks).history
    assert 0.0 <= logs["knn_accuracy"][0] <= 1.0
    model.encoder.get_layer("tokens").scale.assign(np.full((130, 8), np.nan))
    with pytest.raises(FloatingPointError, match="logged `loss`"):
        model.fit(drawn, batch_size=12, verbose=0, callbacks=[keras_ssl.callbacks.StopOnNaN()])
