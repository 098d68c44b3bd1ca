import json

import keras
import numpy as np
import pytest

from keras_ssl.callbacks import Checkpoint
from keras_ssl.optimizers import LARS, LayerWiseRates, layer_wise_decay
from tests.optimizers.stepping import adam, applied, assert_close, compiled_step, numbers

SHAPES = [(4, 3), (5,), ()]
FACTORS = [0.25, 1.0, 0.5]
WEIGHTS, GRADIENTS = numbers(SHAPES)


def named(weights=WEIGHTS):
    return [keras.Variable(w, name=f"w{place}") for place, w in enumerate(weights)]


def stepped(optimizer, gradients=GRADIENTS):
    variables = named()
    step = compiled_step(optimizer, variables)
    for grads in gradients:
        step(grads)
    return [keras.ops.convert_to_numpy(v) for v in variables]


def rates(factors=FACTORS):
    return {variable.path: factor for variable, factor in zip(named(), factors, strict=True)}


def adamw_loop(lr, decay, factors=FACTORS, gradients=GRADIENTS):
    result = []
    for place, (w, factor) in enumerate(zip(WEIGHTS, factors, strict=True)):
        w, m, v = w.astype("float64"), 0.0, 0.0
        for step, grads in enumerate(gradients):
            rate = factor * (lr(step) if callable(lr) else lr)
            w = w - decay * rate * w
            m, v, way = adam(m, v, grads[place].astype("float64"), step + 1, 0.9, 0.999, 1e-7)
            w = w - rate * way
        result.append(w)
    return result


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_fifty_steps_of_adamw_equal_a_numpy_loop(decay):
    inner = keras.optimizers.AdamW(0.02, weight_decay=decay)
    assert_close(stepped(LayerWiseRates(inner, rates())), adamw_loop(0.02, decay))


def test_fifty_steps_under_a_schedule_equal_a_numpy_loop():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.05, 40, 0.01)
    loop = adamw_loop(lambda step: 0.05 + (0.01 - 0.05) * min(step, 40) / 40, 0.05)
    assert_close(stepped(LayerWiseRates(keras.optimizers.AdamW(schedule, weight_decay=0.05), rates())), loop)


@pytest.mark.parametrize("clip", [False, True])
def test_fifty_steps_of_lars_equal_a_numpy_loop(clip):
    expected = []
    for place, (w, factor) in enumerate(zip(WEIGHTS, FACTORS, strict=True)):
        w, buffer, rate = w.astype("float64"), 0.0, 0.3 * factor
        for grads in GRADIENTS:
            d = grads[place].astype("float64")
            if w.ndim > 1:
                d = d + 0.01 * w
                ratio = 0.1 * np.linalg.norm(w) / np.linalg.norm(d)
                d = d * (min(ratio / rate, 1.0) if clip else ratio)
            buffer = 0.9 * buffer + d
            w = w - rate * buffer
        expected.append(w)
    inner = LARS(0.3, weight_decay=0.01, eta=0.1, clip=clip)
    assert_close(stepped(LayerWiseRates(inner, rates())), expected, atol=1e-4)


@pytest.mark.parametrize("inner", [lambda: keras.optimizers.AdamW(0.01), lambda: LARS(0.1), lambda: "sgd"])
def test_with_multipliers_of_one_it_is_the_inner_optimizer(inner):
    plain = applied(keras.optimizers.get(inner()), WEIGHTS, GRADIENTS)
    for multipliers in (None, {}, rates([1.0, 1.0, 1.0])):
        for a, b in zip(stepped(LayerWiseRates(inner(), multipliers)), plain, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_list_is_in_the_order_of_the_variables():
    by_place, by_path = (LayerWiseRates(keras.optimizers.AdamW(0.02), given) for given in (FACTORS, rates()))
    for a, b in zip(stepped(by_place), stepped(by_path), strict=True):
        np.testing.assert_array_equal(a, b)
    assert by_place.multipliers == by_path.multipliers == FACTORS  # by then


def test_a_multiplier_of_zero_leaves_a_variable_as_it_is():
    after = stepped(LayerWiseRates(keras.optimizers.AdamW(0.1, weight_decay=0.1), rates([0.0, 1.0, 1.0])))
    np.testing.assert_array_equal(after[0], WEIGHTS[0])
    assert np.abs(after[1] - WEIGHTS[1]).max() > 0.1


def test_clipping_and_accumulation_are_as_without():
    options = {"clipnorm": 0.5}
    inner = keras.optimizers.SGD(0.1, **options)
    expected = applied(keras.optimizers.SGD(0.1, **options), WEIGHTS, GRADIENTS)
    moved = stepped(LayerWiseRates(inner, rates()))
    for w, a, b, factor in zip(WEIGHTS, moved, expected, FACTORS, strict=True):
        np.testing.assert_allclose(a - w, factor * (b - w), rtol=1e-3, atol=1e-5)
    doubled = [grads for grads in GRADIENTS[:5] for _ in range(2)]
    accumulated = LayerWiseRates(keras.optimizers.SGD(0.1), rates(), gradient_accumulation_steps=2)
    assert_close(
        stepped(accumulated, doubled), stepped(LayerWiseRates(keras.optimizers.SGD(0.1), rates()), GRADIENTS[:5])
    )


def test_weight_decay_can_leave_variables_out():
    optimizer = LayerWiseRates(keras.optimizers.AdamW(0.1, weight_decay=0.5), rates())
    optimizer.exclude_from_weight_decay(var_names=["w1"])
    after = stepped(optimizer, [[np.zeros_like(w) for w in WEIGHTS]])
    np.testing.assert_allclose(after[0], WEIGHTS[0] * (1 - 0.5 * 0.1 * 0.25), rtol=1e-6)
    np.testing.assert_array_equal(after[1], WEIGHTS[1])


def make_model():
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(4, activation="tanh", name="first"), keras.layers.Dense(2, name="second")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    optimizer = LayerWiseRates(keras.optimizers.AdamW(0.05, weight_decay=0.1), layer_wise_decay(layers, 0.3))
    model.compile(optimizer, loss="mse")
    return model


X, Y = np.random.default_rng(5).normal(size=(2, 16, 3)).astype("float32")
Y = Y[:, :2]


def weights(model):
    return [keras.ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def test_a_model_saved_and_loaded_goes_on_exactly(tmp_path):
    through, stopped = make_model(), make_model()
    through.fit(X, Y, batch_size=8, epochs=4, shuffle=False, verbose=0)
    stopped.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    stopped.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.multipliers == [0.3, 0.3, 1.0, 1.0]
    again.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(weights(again), weights(through), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_from_a_checkpoint_goes_on_exactly(tmp_path):
    import keras_ssl

    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), "uint8")

    def made():
        keras.utils.set_random_seed(3)
        encoder = keras_ssl.encoders.ConvNet((4, 8))
        model = keras_ssl.BarlowTwins(encoder, projector=(8,), views=keras_ssl.views.simclr(8, blur=False))
        inner = keras.optimizers.AdamW(0.01)
        model.compile(LayerWiseRates(inner, keras_ssl.training.encoder_rates(encoder, 0.5)), jit_compile=False)
        return model

    through, stopped, again = made(), made(), made()
    through.fit(images, batch_size=8, epochs=3, verbose=0)
    stopped.fit(images, batch_size=8, epochs=2, verbose=0, callbacks=[Checkpoint(tmp_path, settings={})])
    again.fit(images, batch_size=8, epochs=3, verbose=0, callbacks=[Checkpoint(tmp_path, settings={})])
    for a, b in zip(weights(again), weights(through), strict=True):
        np.testing.assert_array_equal(a, b)


def test_config_round_trip():
    optimizer = LayerWiseRates(LARS(0.2, clip=True, clipnorm=1.0), {"a": 0.5, "b": 0}, name="mine")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == optimizer.get_config() and again.multipliers == {"a": 0.5, "b": 0.0}
    assert type(again.inner) is LARS and again.inner.clip and again.clipnorm == 1.0
    again.learning_rate = 0.7
    assert float(again.learning_rate) == pytest.approx(0.7)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "fast", None, True])
def test_rejects_multipliers_out_of_range(value):
    with pytest.raises(ValueError, match="`multipliers` must be a finite number of at least 0. Received: multipliers="):
        LayerWiseRates(multipliers={"w0": value})


def test_rejects_what_is_no_mapping_and_paths_that_name_nothing():
    with pytest.raises(
        ValueError, match=r"`multipliers` must be factors by path, or a list. Received: multipliers=0.5"
    ):
        LayerWiseRates(multipliers=0.5)
    with pytest.raises(ValueError, match=r"one for each trainable variable. Received: 2 multipliers, 3 variables"):
        LayerWiseRates(multipliers=[1.0, 0.5]).build(named())
    with pytest.raises(
        ValueError, match="of one trainable variable. Received: 'nothing', the path of 0 variables of 3"
    ):
        LayerWiseRates(multipliers={"nothing": 0.5}).build(named())
    twice = [keras.Variable(0.0, name="w"), keras.Variable(0.0, name="w")]
    with pytest.raises(ValueError, match="Received: 'w', the path of 2 variables of 2"):
        LayerWiseRates(multipliers={"w": 0.5}).build(twice)


def test_rejects_inner_optimizers_that_do_more_than_update_variables():
    built = keras.optimizers.SGD()
    built.build([keras.Variable(0.0)])
    for inner in (keras.optimizers.Nadam(), keras.optimizers.SGD(use_ema=True), built):
        with pytest.raises(ValueError, match="`optimizer` must not be built.*Received: optimizer="):
            LayerWiseRates(inner)
    with pytest.raises(ValueError, match="`clipnorm` is the inner optimizer's. Received: clipnorm=1.0"):
        LayerWiseRates(clipnorm=1.0)


TWO_REPLICAS = """
import numpy as np, keras
from keras_ssl.optimizers import LayerWiseRates, layer_wise_decay

x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def weights(strategy):
    with strategy.scope():
        layers = [keras.layers.Dense(5, kernel_initializer="ones"), keras.layers.Dense(2, kernel_initializer="ones")]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile(LayerWiseRates(keras.optimizers.AdamW(0.1), layer_wise_decay(layers, 0.2)), loss="mse")
    model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


one = weights(tf.distribute.get_strategy())
two = weights(mirrored)
for a, b in zip(one, two):
    np.testing.assert_allclose(a, b, atol=2e-5)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas_equal_one(two_replicas):
    assert two_replicas(TWO_REPLICAS) is None
