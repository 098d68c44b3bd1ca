import keras
import numpy as np
import pytest

from keras_ssl.merging import TwinMerging, task_arithmetic
from keras_ssl.weights import assign_weights, read_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 6)).astype("float32")


def dense():
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(5, "relu", bias_initializer="random_normal")(inputs)
    return keras.Model(inputs, keras.layers.Dense(4, bias_initializer="random_normal")(hidden))


def models(count):
    keras.utils.set_random_seed(2)
    return [dense() for _ in range(count)]


def test_full_rank_and_one_hot_weights_are_the_experts():
    model, *experts = models(4)
    before = read_weights(model)
    twin = TwinMerging(model, experts)
    for k, expert in enumerate(experts):
        for name, value in read_weights(expert).items():
            np.testing.assert_allclose(twin.weights_for(np.eye(3)[k])[name], value, rtol=1e-6)
        found = twin.predict(X, np.tile(np.eye(3)[k], (10, 1)))
        np.testing.assert_allclose(found, expert.predict(X, verbose=0), rtol=1e-4, atol=1e-5)
    for name, value in read_weights(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_without_weights_it_is_the_shared_model():
    model, *experts = models(3)
    for shared in (None, task_arithmetic(model, experts, 0.4), experts[1]):
        twin = TwinMerging(model, experts, shared)
        if shared is None:
            expected = {n: np.mean([read_weights(e)[n] for e in experts], axis=0) for n in read_weights(model)}
        else:
            expected = shared if isinstance(shared, dict) else read_weights(shared)
        for name, value in twin.weights_for([0.0, 0.0]).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_error_of_a_rank_is_the_singular_values_left_out(rank):
    model, *experts = models(3)
    exact, coarse = TwinMerging(model, experts), TwinMerging(model, experts, rank=rank)
    for full, low in zip(exact.exclusive, coarse.exclusive, strict=True):
        for name, value in full.items():
            if value.ndim < 2:
                np.testing.assert_array_equal(low[name], value)
                continue
            left = np.linalg.svd(value, compute_uv=False)[rank:]
            assert np.linalg.norm(value - low[name]) == pytest.approx(np.linalg.norm(left), abs=1e-9)
            assert np.linalg.matrix_rank(low[name]) == rank


def test_kernels_of_convolutions_are_matrices_of_their_last_axis():
    conv = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(3, 2)])
    kernel = RNG.normal(size=(2, 2, 2, 3))
    expert = {"conv2d_0/kernel": kernel, "conv2d_0/bias": np.zeros(3)}
    start = {"conv2d_0/kernel": np.zeros((2, 2, 2, 3)), "conv2d_0/bias": np.zeros(3)}
    found = TwinMerging(conv, [expert], start, rank=1).exclusive[0]["conv2d_0/kernel"]
    u, s, v = np.linalg.svd(kernel.reshape(8, 3), full_matrices=False)
    np.testing.assert_allclose(found.reshape(8, 3), s[0] * np.outer(u[:, 0], v[0]), atol=1e-12)


def test_equal_experts_leave_nothing_to_route():
    model, expert = models(2)
    twin = TwinMerging(model, [expert, expert])
    assert all(np.abs(part).max() < 1e-7 for each in twin.exclusive for part in each.values())
    np.testing.assert_allclose(twin.predict(X, RNG.normal(size=(10, 2))), expert.predict(X, verbose=0), atol=1e-5)


def test_each_input_has_its_own_weights():
    model, *experts = models(3)
    twin, shares = TwinMerging(model, experts, rank=2), RNG.uniform(size=(10, 2))
    found, target = twin.predict(X, shares), dense()
    for x, share, output in zip(X, shares, found, strict=True):
        assign_weights(target, twin.weights_for(share))
        np.testing.assert_allclose(target.predict(x[None], verbose=0)[0], output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hard", [True, False])
def test_a_router_tells_tasks_apart(hard):
    model, *experts = models(3)
    twin = TwinMerging(model, experts)
    x = np.concatenate([X - 4.0, X + 4.0])
    tasks = np.repeat([0, 1], 10)
    twin.fit_router(x, tasks, hard)
    shares = twin.route(x)
    assert (shares.argmax(axis=1) == tasks).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    if hard:
        expected = np.concatenate([experts[k].predict(part, verbose=0) for k, part in enumerate((X - 4.0, X + 4.0))])
        np.testing.assert_allclose(twin.predict(x), expected, rtol=1e-4, atol=1e-4)
        assert set(shares.ravel().tolist()) == {0.0, 1.0}


def test_the_router_sees_what_it_is_given():
    model, *experts = models(3)
    twin, seen = TwinMerging(model, experts), []
    x, tasks = RNG.normal(size=(30, 6)).astype("float32"), RNG.integers(0, 2, 30)
    twin.fit_router(x, tasks, features=lambda x: seen.append(len(x)) or np.eye(2)[tasks[: len(x)]])
    assert (twin.route(x[:5]).argmax(axis=1) == tasks[:5]).all() and seen == [30, 5]


def test_the_router_of_one_expert_takes_it():
    model, expert = models(2)
    twin = TwinMerging(model, [expert], shared=model)
    twin.fit_router(X, np.zeros(10, "int32"))
    np.testing.assert_allclose(twin.predict(X), expert.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


def test_refuses():
    model, *experts = models(3)
    for options, message in (({"rank": 0}, "rank=0"), ({"experts": []}, "`experts` must hold a model or more")):
        with pytest.raises(ValueError, match=message):
            TwinMerging(model, **{"experts": experts, **options})
    twin = TwinMerging(model, experts)
    with pytest.raises(ValueError, match="must be trained by `fit_router`"):
        twin.predict(X)
    with pytest.raises(ValueError, match=r"`router_weights` must be \[N, T\], here \(10, 2\)"):
        twin.predict(X, np.ones((10, 3)))
    with pytest.raises(ValueError, match="`router_weights` must hold a finite number for each of 2 experts"):
        twin.weights_for([1.0])
    with pytest.raises(ValueError, match="`tasks` must hold each of the numbers 0 to 1"):
        twin.fit_router(X, np.zeros(10))


def linear():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    rng = np.random.default_rng(0)
    return TwinMerging(model, [{"dense_0/kernel": rng.normal(size=(2, 2)).astype("float32")} for _ in range(2)])


def test_no_inputs_give_no_outputs():
    twin, x = linear(), np.random.default_rng(1).normal(size=(8, 2))
    assert twin.predict(x[:0], np.zeros((0, 2))).shape == (0, 2)
    twin.fit_router(x, [0, 1] * 4)
    assert twin.route(x[:0]).shape == (0, 2) and twin.predict(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("x", [None, 1.0, np.ones((2, 3)), [[1.0], [1.0, 2.0]], "text"])
def test_inputs_are_named(x):
    twin = linear()
    for call in (lambda: twin.predict(x, [[1.0, 0.0]] * 2), lambda: twin.fit_router(x, [0, 1])):
        with pytest.raises(ValueError, match="^`x` must .*Received: "):
            call()


@pytest.mark.parametrize("features", [3, lambda x: x[:1], lambda x: x * np.nan])
def test_features_are_named(features):
    with pytest.raises(ValueError, match="^`features` must .*Received: "):
        linear().fit_router(np.ones((2, 2)), [0, 1], features=features)


@pytest.mark.parametrize("weights", ["ab", [[1.0], [1.0, 2.0]], [1j, 0.0]])
def test_router_weights_are_named(weights):
    with pytest.raises(ValueError, match="^`router_weights` must .*Received: "):
        linear().weights_for(weights)


def test_experts_of_bfloat16_are_merged():
    bfloat16 = keras.ops.convert_to_numpy(keras.ops.zeros(1, "bfloat16")).dtype
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    twin = TwinMerging(model, [{"dense_0/kernel": np.array([[value]], bfloat16)} for value in (1.0, 3.0)])
    assert twin.shared["dense_0/kernel"].tolist() == [[2.0]]
    assert twin.predict(np.ones((2, 1)), [[1.0, 0.0], [0.0, 1.0]]).tolist() == [[1.0], [3.0]]
