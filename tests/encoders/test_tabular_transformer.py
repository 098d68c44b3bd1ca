"""Columns to tokens to features."""

import json

import keras
import numpy as np
import pytest

from keras_ssl.encoders import TabularTransformer, columns_of
from keras_ssl.encoders.column_tokens import ColumnTokens
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.hub.card_size import check_encoder_size
from keras_ssl.hub.signatures import default_arguments
from keras_ssl.precision import dtype_policy

RNG = np.random.default_rng(0)
X = {"job": RNG.integers(0, 3, 20), "age": RNG.normal(40, 12, 20), "owner": RNG.random(20) < 0.5, "pay": RNG.random(20)}
X["job"][0] = 2


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def encoder(**options):
    return TabularTransformer(columns_of(X), **{"width": 8, "depth": 2, "heads": 2, **options})


def test_columns_of_arrays():
    found = columns_of(X)
    assert list(found) == list(X) and found["job"] == {"categories": 3} and found["owner"] == {"categories": 2}
    assert found["age"] == pytest.approx({"mean": X["age"].mean(), "std": X["age"].std()})
    assert columns_of(X, numeric=["job"])["job"] == pytest.approx({"mean": X["job"].mean(), "std": X["job"].std()})
    assert columns_of({"still": np.full(5, 0.1)})["still"]["std"] == 1.0


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"a": np.zeros((2, 2))}, r"shape \(2, 2\)"),
        ({"a": np.array(["u"])}, "dtype <U1"),
        ({"a": np.array([])}, r"shape \(0,\)"),
        ({"a": np.array([1.0, np.nan])}, "NaN or infinity"),
        ({"a": np.array([1, -1])}, r"`numeric`. Received: x\['a'\] with -1"),
    ],
)
def test_columns_of_refuses(x, message):
    with pytest.raises(ValueError, match=message):
        columns_of(x)
    with pytest.raises(ValueError, match="numeric=.'b'."):
        columns_of({"a": np.zeros(3)}, numeric=["b"])


@pytest.mark.parametrize(
    "columns",
    [{}, {"a": {}}, {"a": {"mean": 0.0}}, {"a": {"mean": 0.0, "std": 0.0}}, {"a": {"categories": 0}}, {"a": 3}],
)
def test_refuses_columns(columns):
    with pytest.raises(ValueError, match="Received: .*columns"):
        TabularTransformer(columns)


def test_tokens_are_those_of_a_slow_reference():
    layer = ColumnTokens(columns_of(X), 8, registers=2)
    tokens = numbers(layer(X))
    scale, offset, rows, registers = (
        numbers(getattr(layer, name)) for name in ("scale", "offset", "rows", "registers")
    )
    assert tokens.shape == (20, 6, 8)
    for sample in range(20):
        np.testing.assert_array_equal(tokens[sample, :2], registers)
        expected = []
        for name, first in (("job", 0), ("age", 0), ("owner", 3), ("pay", 1)):
            if name in ("job", "owner"):
                expected.append(rows[first + int(X[name][sample])])
            else:
                standard = (X[name][sample] - X[name].mean()) / X[name].std()
                expected.append(standard * scale[first] + offset[first])
        np.testing.assert_allclose(tokens[sample, 2:], expected, atol=1e-5)


def test_categories_outside_are_nan_for_their_sample_alone():
    tokens = numbers(ColumnTokens(columns_of(X), 8)({**X, "job": np.where(np.arange(20) == 4, 3, X["job"])}))
    bad = np.isnan(tokens).any(axis=(1, 2))
    assert bad[4] and bad.sum() == 1


@pytest.mark.parametrize("registers", [0, 1, 3])
def test_is_a_token_encoder(registers):
    model = encoder(registers=registers)
    assert isinstance(model, TokenEncoder)
    assert (model.prefix, model.token_width, model.grid((None,))) == (registers, 8, (4,))
    tokens = model.tokens(X)
    np.testing.assert_array_equal(numbers(model.pool(model.encode(tokens))), numbers(model(X)))
    keep = np.tile(np.array([[1, 3]], "int32"), (20, 1))
    encoded = model.encode(tokens, keep)
    assert tuple(encoded.shape) == (20, registers + 2, 8)
    moved = {**X, "job": (X["job"] + 1) % 3, "owner": ~X["owner"]}
    np.testing.assert_array_equal(numbers(encoded), numbers(model.encode(model.tokens(moved), keep)))


def test_registers_are_no_part_of_the_features():
    model = encoder()
    encoded = numbers(model.encode(model.tokens(X)))
    features = numbers(model.pool(keras.ops.convert_to_tensor(encoded)))
    np.testing.assert_allclose(features, encoded[:, 1:].mean(axis=1), atol=1e-6)
    encoded[:, 0] += 5.0
    np.testing.assert_array_equal(numbers(model.pool(keras.ops.convert_to_tensor(encoded))), features)
    other = encoder()
    other.set_weights(model.get_weights())
    other.get_layer("tokens").registers.assign(np.ones((1, 8)))  # but what others see
    assert np.abs(numbers(other(X)) - numbers(model(X))).max() > 1e-4


def test_config_and_file_keep_columns_and_features(tmp_path):
    model = encoder()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    twin = keras.saving.deserialize_keras_object(config)
    assert twin.get_config() == model.get_config() and list(twin.columns) == list(X)
    model.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_allclose(numbers(again(X)), numbers(model(X)), atol=1e-6)
    assert [weight.path for weight in again.weights] == [weight.path for weight in model.weights]


def test_large_numbers_are_standardized_before_they_are_rounded():
    x = {"year": np.array([100_000.0, 100_001.0, 100_002.0])}
    with dtype_policy("mixed_float16"):  # whose largest number is 65504
        model = TabularTransformer(columns_of(x), 8, 1, 2)
        features = numbers(model(x)).astype("float32")
        tokens = numbers(model.tokens(x))
    assert tokens.dtype == "float16" and np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 1e-2


@pytest.mark.parametrize("options", [{}, {"width": 12, "depth": 1, "heads": 3, "mlp_ratio": 2.5, "registers": 0}])
def test_the_number_of_weights_is_told_without_building(options):
    arguments = {"columns": {**columns_of(X), "debt": {"mean": -3.0, "std": 1.0}}, **options}
    weights = TabularTransformer(**arguments).count_params()
    full = {**default_arguments(TabularTransformer), **arguments}
    check_encoder_size("TabularTransformer", full, 2 * weights)
    with pytest.raises(ValueError, match=f"an encoder of {weights:,} weights"):
        check_encoder_size("TabularTransformer", full, 2 * weights - 1)


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("depth", 0), ("heads", 3), ("registers", -1)])
def test_refuses(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        encoder(**{name: value})
