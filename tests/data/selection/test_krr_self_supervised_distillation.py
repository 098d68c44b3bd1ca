"""Tests of keras_ssl.data.KRRSelfSupervisedDistillation."""

import keras
import numpy as np
import pytest

from keras_ssl.data import KRRSelfSupervisedDistillation
from keras_ssl.data.selection.krr_self_supervised_distillation import _Pool
from tests.data.selection.reference import finite_differences, gradients

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(4, 3))
IMAGES, TARGETS = RANDOM.normal(size=(5, 4)), RANDOM.normal(size=(5, 2))
REAL, KNOWN = RANDOM.normal(size=(7, 4)), RANDOM.normal(size=(7, 2))


def linear(x):
    """A feature extractor that is curved, so that its derivative counts."""
    return keras.ops.tanh(keras.ops.matmul(x, keras.ops.array(WEIGHTS, "float32")))


def method(regularization=1e-6, **options):
    return KRRSelfSupervisedDistillation(make_extractor, regularization, **options)


def make_extractor():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, activation="tanh")])


def reference_prediction(support, targets, features, regularization):
    support = np.concatenate([support, np.ones((len(support), 1))], axis=1)
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    kernel = np.array([[float(a @ b) for b in support] for a in support])
    across = np.array([[float(a @ b) for b in support] for a in features])
    ridge = regularization * sum(kernel[k, k] for k in range(len(kernel)))
    return across @ np.linalg.inv(kernel + ridge * np.eye(len(kernel))) @ targets


def reference_loss(images, targets, regularization):
    support, features = np.tanh(images @ WEIGHTS), np.tanh(REAL @ WEIGHTS)
    return np.square(reference_prediction(support, targets, features, regularization) - KNOWN).mean()


def test_prediction_equals_scikit_learn():
    from sklearn.kernel_ridge import KernelRidge

    support, features = RANDOM.normal(size=(6, 2, 2)), RANDOM.normal(size=(9, 2, 2))
    targets = RANDOM.normal(size=(6, 3))
    rows, others = (np.concatenate([a.reshape(len(a), -1), np.ones((len(a), 1))], axis=1) for a in (support, features))
    ridge = KernelRidge(alpha=0.01 * np.trace(rows @ rows.T), kernel="linear").fit(rows, targets)
    tensors = [keras.ops.array(a, "float32") for a in (support, targets, features)]
    found = keras.ops.convert_to_numpy(method(0.01).predict(*tensors))
    np.testing.assert_allclose(found, ridge.predict(others), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found, reference_prediction(rows[:, :-1], targets, others[:, :-1], 0.01), atol=1e-5)


@pytest.mark.parametrize("regularization", [0.01, 0.3])
def test_loss_and_gradients_equal_finite_differences(regularization):
    value, (by_images, by_targets) = gradients(
        lambda images, targets: method(regularization).loss(
            linear, images, targets, keras.ops.array(REAL, "float32"), keras.ops.array(KNOWN, "float32")
        ),
        IMAGES,
        TARGETS,
    )
    assert value == pytest.approx(reference_loss(IMAGES, TARGETS, regularization), rel=1e-4)
    expected = finite_differences(lambda images: reference_loss(images, TARGETS, regularization), IMAGES)
    np.testing.assert_allclose(by_images, expected, rtol=2e-3, atol=1e-4)
    expected = finite_differences(lambda targets: reference_loss(IMAGES, targets, regularization), TARGETS)
    np.testing.assert_allclose(by_targets, expected, rtol=2e-3, atol=1e-4)


def test_the_data_themselves_have_the_loss_zero_and_the_loss_is_deterministic():
    x = keras.ops.array(RANDOM.normal(size=(5, 8)), "float32")
    known = keras.ops.array(RANDOM.normal(size=(5, 3)), "float32")
    values = [float(method(1e-7).loss(lambda inputs: inputs, x, known, x, known)) for _ in range(2)]
    assert values[0] == values[1] < 1e-7
    # With as much ridge as there is signal it is not.
    assert float(method(1.0).loss(lambda inputs: inputs, x, known, x, known)) > 0.01


def test_half_precision_is_computed_in_float32():
    x = keras.ops.cast(keras.ops.array(RANDOM.normal(size=(5, 8))), "float16")
    assert float(method(1e-6).loss(lambda inputs: inputs, x, x, x, x)) < 1e-4


def toy(count=60):
    random = np.random.default_rng(1)
    x = random.normal(size=(count, 4)).astype("float32")
    return x, np.stack([np.sin(2 * x[:, 0]), x[:, 1] * x[:, 2]], axis=1)


def test_distillation_lowers_the_loss_and_follows_the_seed():
    x, known = toy()
    options = dict(pool_size=2, pool_steps=4, rate=0.03, batch_size=32)
    one = method(1e-4, **options)
    images, targets = one.distill(x, known, count=8, steps=60)
    assert images.shape == (8, 4) and targets.shape == (8, 2) and images.dtype == targets.dtype == np.float32
    assert len(one.history) == 60 and np.isfinite(one.history).all()
    assert np.mean(one.history[-10:]) < 0.8 * np.mean(one.history[:10])
    short = [method(1e-4, seed=seed, **options).distill(x, known, count=8, steps=5)[0] for seed in (0, 0, 1)]
    np.testing.assert_allclose(short[0], short[1], atol=1e-6)
    assert np.abs(short[0] - short[2]).max() > 0.1


def test_a_model_of_the_pool_learns_by_sgd_with_momentum_and_decay():
    def squared_error(flat):
        first, bias, second, other = np.split(flat, np.cumsum([32, 8, 16]))
        outputs = np.tanh(IMAGES @ first.reshape(4, 8) + bias) @ second.reshape(8, 2) + other
        return np.square(outputs - TARGETS).mean()

    pool = _Pool(method(pool_rate=0.3, weight_decay=0.1), 2)
    state, images, targets = pool.new(), keras.ops.array(IMAGES, "float32"), keras.ops.array(TARGETS, "float32")
    flat = np.concatenate([np.ravel(keras.ops.convert_to_numpy(value)) for value in state[0]]).astype("float64")
    velocity = np.zeros_like(flat)
    for _ in range(3):
        state = pool.train(state, images, targets)
        velocity = 0.9 * velocity + finite_differences(squared_error, flat) + 0.1 * flat
        flat = flat - 0.3 * velocity
        found = np.concatenate([np.ravel(keras.ops.convert_to_numpy(value)) for value in state[0]])
        np.testing.assert_allclose(found, flat, atol=1e-5)


def test_models_of_the_pool_differ_and_start_anew():
    x, known = toy()
    made = []

    def counted():
        made.append(1)
        return make_extractor()

    KRRSelfSupervisedDistillation(counted, pool_size=2, pool_steps=3, rate=0.01).distill(x, known, 4, 20)
    # One serves as the frame of the programs, two start, and each fourth use of one makes another.
    assert 3 + 3 <= len(made) <= 3 + 6
    pool = _Pool(method(), 2)
    one, other = (keras.ops.convert_to_numpy(pool.new()[0][0]) for _ in range(2))
    assert np.abs(one - other).max() > 0.1


def test_without_steps_the_samples_are_real_ones_with_their_features():
    x, known = toy()
    images, targets = method().distill(x, known, count=6, steps=0)
    rows = [int(np.flatnonzero((x == image).all(axis=1))[0]) for image in images]
    assert len(set(rows)) == 6
    np.testing.assert_array_equal(targets, known[rows].astype("float32"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("extractor", None),
        ("regularization", 0.0),
        ("regularization", float("nan")),
        ("pool_size", 0),
        ("pool_steps", 0),
        ("pool_rate", 0.0),
        ("weight_decay", -1.0),
        ("rate", float("inf")),
        ("batch_size", 0),
        ("seed", -1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        KRRSelfSupervisedDistillation(**{"extractor": make_extractor, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.full((60, 4), np.nan)),
        ("x", np.zeros((0, 4))),
        ("x", np.zeros((59, 4))),
        ("teacher_features", np.full((60, 2), np.inf)),
        ("teacher_features", np.zeros(60)),
        ("count", 0),
        ("count", 61),
        ("steps", -1),
    ],
)
def test_bad_input_is_refused(name, value):
    x, known = toy()
    with pytest.raises(ValueError, match=f"Received: {name}="):
        method().distill(**{"x": x, "teacher_features": known, "count": 3, "steps": 1, name: value})
