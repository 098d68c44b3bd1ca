import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.merging import AdaMerging, AnisotropicTaskVectors, task_arithmetic
from keras_ssl.weights import assign_weights, named_weights, read_weights

RNG = np.random.default_rng(0)


def dense():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(5, "tanh", bias_initializer="random_normal")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, bias_initializer="random_normal")(hidden))


def models(count, make=dense):
    keras.utils.set_random_seed(1)
    return [make() for _ in range(count)]


X, OTHER = RNG.normal(size=(2, 12, 4)).astype("float32")
Y = RNG.integers(0, 3, 12)


def numpy_loss(model, experts, coefficients, groups, batches, labels=None):
    """The loss of perceptrons in float64, from the formulas."""
    start, *sets = [read_weights(each) for each in (model, *experts)]
    place = {name: number for number, names in enumerate(groups.values()) for name in names}
    theta = {
        name: value.astype("float64")
        + sum(c[place[name]] * (s[name].astype("float64") - value) for c, s in zip(coefficients, sets, strict=True))
        for name, value in start.items()
    }
    total = 0.0
    for k, x in enumerate(batches):
        hidden = np.tanh(x @ theta["dense_0/kernel"] + theta["dense_0/bias"])
        logits = hidden @ theta["dense_1/kernel"] + theta["dense_1/bias"]
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        if labels is None:
            total -= (np.exp(log_p) * log_p).sum(axis=1).mean()
        else:
            total -= log_p[np.arange(len(x)), labels[k]].mean()
    return total


@pytest.mark.parametrize("objective", ["entropy", "cross_entropy"])
@pytest.mark.parametrize("by", ["model", "layer", "tensor"])
def test_loss_and_step_equal_numpy(objective, by):
    model, *experts = models(3)
    merge = AnisotropicTaskVectors(
        model, experts, by=by, objective=objective, initial=0.3, optimizer=keras.optimizers.SGD(0.1)
    )
    labels = [Y, Y[::-1]] if objective == "cross_entropy" else None
    c = np.full((2, {"model": 1, "layer": 2, "tensor": 4}[by]), 0.3)
    assert merge.coefficients.shape == c.shape

    def loss(c):
        return numpy_loss(model, experts, c, merge.groups, [X, OTHER], labels)

    for _ in range(3):
        assert merge.step([X, OTHER], labels) == pytest.approx(loss(c), rel=1e-5)
        slope = np.zeros_like(c)
        for place in np.ndindex(c.shape):
            e = np.zeros_like(c)
            e[place] = 1e-5
            slope[place] = (loss(c + e) - loss(c - e)) / 2e-5
        c = c - 0.1 * slope
        np.testing.assert_allclose(keras.ops.convert_to_numpy(merge.coefficients), c, atol=2e-5)


def test_only_coefficients_move():
    model, *experts = models(3)
    before = [read_weights(each) for each in (model, *experts)]
    merge = AdaMerging(model, experts)
    for _ in range(2):
        merge.step([X])
    for values, each in zip(before, (model, *experts), strict=True):
        for name, value in read_weights(each).items():
            np.testing.assert_array_equal(value, values[name])


def test_limits():
    model, *experts = models(3)
    start = read_weights(model)
    for name, value in AnisotropicTaskVectors(model, experts).merged_weights().items():
        np.testing.assert_array_equal(value, start[name])
    for by in ("model", "layer", "tensor"):  # equal coefficients are task arithmetic
        merged = AdaMerging(model, experts, by=by, initial=0.4).merged_weights()
        for name, value in task_arithmetic(model, experts, 0.4).items():
            np.testing.assert_allclose(merged[name], value, rtol=1e-5, atol=1e-6)
    alone = AdaMerging(model, experts[:1], initial=1.0).merged_weights()
    for name, value in read_weights(experts[0]).items():
        np.testing.assert_allclose(alone[name], value, rtol=1e-5, atol=1e-6)


def test_ada_merging_is_the_entropy_of_anisotropic_task_vectors():
    model, *experts = models(3)
    adam = [keras.optimizers.Adam(0.01) for _ in range(2)]
    ada = AdaMerging(model, experts, bounds=None, optimizer=adam[0])
    other = AnisotropicTaskVectors(model, experts, objective="entropy", initial=0.3, optimizer=adam[1])
    for _ in range(3):
        assert ada.step([X, OTHER]) == other.step([X, OTHER])
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(each.coefficients) for each in (ada, other)))


def test_entropy_falls_and_bounds_hold():
    model, *experts = models(3)
    merge = AdaMerging(model, experts, optimizer=keras.optimizers.SGD(0.02))
    losses = [merge.step([X]) for _ in range(20)]
    assert all(later <= sooner + 1e-6 for sooner, later in zip(losses, losses[1:], strict=False))
    wide = AdaMerging(model, experts, optimizer=keras.optimizers.SGD(50.0))
    wide.step([X])
    found = keras.ops.convert_to_numpy(wide.coefficients)
    assert found.min() >= 0.0 and found.max() <= 1.0 and {0.0, 1.0} & set(found.ravel().tolist())


def test_heads_by_task():
    def features():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "tanh")])

    model, *experts = models(3, features)
    heads = [keras.layers.Dense(2), keras.layers.Dense(7)]
    merge = AdaMerging(model, experts, heads=heads)
    loss = merge.step([X, OTHER])
    merged = [merge.predict(x, task=k) for k, x in enumerate((X, OTHER))]
    assert merged[0].shape == (12, 2) and merged[1].shape == (12, 7)
    start = AdaMerging(model, experts, heads=heads)
    p = [np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (start.predict(X, 0), start.predict(OTHER, 1))]
    assert loss == pytest.approx(sum(-(each * np.log(each)).sum(axis=1).mean() for each in p), rel=1e-5)
    with pytest.raises(ValueError, match="one for each of 2 heads. Received: 1 batches"):
        merge.step([X])
    with pytest.raises(ValueError, match="`task` must be given with `heads`"):
        merge.predict(X)


def test_statistics_follow_their_layer_within_the_models():
    model, *experts = models(3, lambda: ConvNet((4,)))
    rng = np.random.default_rng(3)
    for each in (model, *experts):
        each.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in each.get_weights()])
    merge = AnisotropicTaskVectors(model, experts, bounds=None)
    names = [name for names in merge.groups.values() for name in names]
    assert names == [f"block1_{each}" for each in ("conv/kernel", "bn/gamma", "bn/beta")]
    merge.coefficients.assign([[0.0, 0.2, 0.4], [0.0, 0.5, 0.1]])
    merged, sets = merge.merged_weights(), [read_weights(each) for each in (model, *experts)]
    np.testing.assert_array_equal(merged["block1_conv/kernel"], sets[0]["block1_conv/kernel"])
    for statistic in ("block1_bn/moving_mean", "block1_bn/moving_variance"):
        start, a, b = (each[statistic] for each in sets)
        expected = np.clip(start + 0.3 * (a - start) + 0.3 * (b - start), *np.sort([start, a, b], axis=0)[[0, 2]])
        np.testing.assert_allclose(merged[statistic], expected, rtol=1e-5)
    merge.coefficients.assign(np.full((2, 3), 9.0))
    assert (merge.merged_weights()["block1_bn/moving_variance"] > 0.4).all()
    assert np.isfinite(merge.step([np.zeros((2, 8, 8, 3), "float32")], [[0, 1]]))
    target = ConvNet((4,))
    assert merge.assign(target) is target
    for name, value in merge.merged_weights().items():
        np.testing.assert_array_equal(read_weights(target)[name], value)


def test_a_loss_that_is_not_finite_changes_nothing():
    model, *experts = models(2)
    merge = AdaMerging(model, experts)
    with pytest.raises(ValueError, match="The loss of a batch must be finite"):
        merge.step([np.full((2, 4), np.nan, "float32")])
    assert (keras.ops.convert_to_numpy(merge.coefficients) == np.float32(0.3)).all()
    merge.step([X])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experts": []}, "`experts` must hold a model or more"),
        ({"objective": "loss"}, "`objective` must be one of cross_entropy, entropy. Received: objective='loss'"),
        ({"bounds": (0.5, 1.0)}, r"`initial` must lie in `bounds`. Received: initial=0.0, bounds=\(0.5, 1.0\)"),
        ({"initial": float("nan")}, "`initial` must be a finite number"),
        ({"heads": []}, "`heads` must hold one for each of 1 experts. Received: 0 heads"),
        ({"by": "block"}, "`by` must be one of"),
    ],
)
def test_refuses(options, message):
    model, expert = models(2)
    with pytest.raises(ValueError, match=message):
        AnisotropicTaskVectors(model, **{"experts": [expert], **options})


@pytest.mark.parametrize(
    ("batches", "labels", "message"),
    [
        (X, [Y], "`batches` must be a list of arrays"),
        ([], [], "`batches` must be a list"),
        ([X[:0]], [Y[:0]], r"`batches` must hold samples. Received: batches\[0\]"),
        ([X], None, "`labels` must hold one array for each of 1 batches. Received: None"),
        ([X], [Y[:3]], r"`labels` must be \[N\]. Received: \(3,\) for \(12, 4\)"),
    ],
)
def test_steps_are_checked(batches, labels, message):
    model, expert = models(2)
    with pytest.raises(ValueError, match=message):
        AnisotropicTaskVectors(model, [expert]).step(batches, labels)


def test_frozen_weights_are_not_merged():
    model, expert = models(2)
    model.layers[1].trainable = False
    merge = AnisotropicTaskVectors(model, [expert], initial=1.0)
    frozen = {name for name in named_weights(model) if name.startswith("dense_0")}
    assert not frozen & {name for names in merge.groups.values() for name in names}


def two_layers():
    """A model of a normalized hidden layer, its weights and those of an expert."""
    layers = [keras.layers.Dense(6), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    rng = np.random.default_rng(5)
    start, expert = (
        {name: rng.uniform(0.5, 1.5, w.shape).astype("float32") for name, w in named_weights(model).items()}
        for _ in range(2)
    )
    assign_weights(model, start)
    return model, start, expert


def test_frozen_weights_stay_those_of_the_start():
    model, start, expert = two_layers()
    model.layers[0].trainable = model.layers[1].trainable = False
    merge = AnisotropicTaskVectors(model, [expert], initial=1.0)
    x, wanted = np.ones((2, 4), "float32"), {**start, "dense_1/kernel": expert["dense_1/kernel"]}
    wanted["dense_1/bias"] = expert["dense_1/bias"]
    for name, array in merge.merged_weights().items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-6)
    before = merge.predict(x)
    model.layers[0].kernel.assign(np.zeros((4, 6)))  # of the start, not of the model as it is
    np.testing.assert_array_equal(merge.predict(x), before)


def test_a_head_is_seen_as_it_is():
    model, _, expert = two_layers()
    head = keras.layers.Dense(2)
    head.build((None, 3))
    head.kernel.assign(0.02 * np.random.default_rng(7).normal(size=(3, 2)))
    batch = [np.random.default_rng(6).normal(size=(5, 4)).astype("float32")]

    def merged():
        return AdaMerging(model, [expert], heads=[head], optimizer=keras.optimizers.SGD(0.0))

    merge = merged()
    before = merge.step(batch)
    head.kernel.assign(10.0 * head.kernel)
    after = merge.step(batch)
    assert abs(after - before) > 1e-3
    np.testing.assert_allclose(after, merged().step(batch), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"initial": "a"}, "initial"),
        ({"initial": [0.1]}, "initial"),
        ({"bounds": (0, 1, 2)}, "bounds"),
        ({"bounds": 1.0}, "bounds"),
        ({"bounds": ("a", "b")}, "bounds"),
        ({"optimizer": "none such"}, "optimizer"),
        ({"heads": [3]}, "heads"),
        ({"heads": 3}, "heads"),
        ({"experts": None}, "experts"),
        ({"model": None}, "model"),
    ],
)
def test_arguments_are_named(options, argument):
    model, _, expert = two_layers()
    with pytest.raises(ValueError, match=f"^`{argument}` .*Received: "):
        AnisotropicTaskVectors(**{"model": model, "experts": [expert], **options})


@pytest.mark.parametrize(
    ("batch", "labels", "argument"),
    [
        (np.zeros((2, 5)), [0, 1], r"batches\[0\]"),
        ("a", [0, 1], r"batches\[0\]"),
        ([[1, 2], [3]], [0, 1], r"batches\[0\]"),
        (np.zeros((2, 4)), [0, 3], "labels"),
        (np.zeros((2, 4)), [0, -1], "labels"),
        (np.zeros((2, 4)), [0.5, 1], "labels"),
        (np.zeros((2, 4)), ["a", "b"], "labels"),
    ],
)
def test_no_step_is_made_of_what_does_not_fit(batch, labels, argument):
    model, _, expert = two_layers()
    merge = AnisotropicTaskVectors(model, [expert])
    with pytest.raises(ValueError, match=f"^`{argument}` .*Received: "):
        merge.step([batch], [labels])
    assert not keras.ops.convert_to_numpy(merge.coefficients).any()
    merge.step([np.ones((2, 4))], [[0, 2]])


def test_predict_names_what_does_not_fit():
    model, _, expert = two_layers()
    merge = AnisotropicTaskVectors(model, [expert], heads=[lambda features: features])
    for task in (1, -1, "a"):
        with pytest.raises(ValueError, match="^`task` must .*Received: "):
            merge.predict(np.ones((2, 4)), task)
    with pytest.raises(ValueError, match=r"^`x` must be samples as the model takes them, \[N, 4\]. Received: "):
        merge.predict(np.ones((2, 5)), 0)
