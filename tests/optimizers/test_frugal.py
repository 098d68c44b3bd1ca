import json

import keras
import numpy as np
import pytest

from keras_ssl.optimizers import FRUGAL, state_bytes_per_weight
from tests.optimizers.stepping import adam, applied, assert_close, compiled_step, numbers

WEIGHTS, GRADIENTS = numbers()


def tall(g):
    flat = g.reshape(-1, g.shape[-1]) if g.ndim > 1 else g.reshape(1, -1)
    return flat.T if g.ndim > 1 and flat.shape[0] < flat.shape[1] else flat


def untall(x, shape):
    flat_columns = shape[-1] if len(shape) else 1
    return (x.T if len(shape) > 1 and x.shape[1] != flat_columns else x).reshape(shape)


def reference(
    weights,
    gradients,
    lr,
    chosen,
    gap,
    free,
    free_scale=1.0,
    weight_decay=0.0,
    b1=0.9,
    b2=0.999,
    eps=1e-8,
    momentum=False,
):
    """In float64, entry by entry; `chosen[variable][round]` says which entries of the tall matrix have state."""
    result = []
    for number, weight in enumerate(weights):
        w = tall(weight.astype("float64")).copy()
        for step, grads in enumerate(gradients):
            g, since = tall(grads[number].astype("float64")), step % gap
            if since == 0:
                has_state = chosen[number][step // gap]
                m, v = np.zeros_like(w), np.zeros_like(w)
            w *= 1 - lr * weight_decay
            for place in np.ndindex(w.shape):
                if not has_state[place]:
                    w[place] -= lr * free_scale * (np.sign(g[place]) if free == "signsgd" else g[place])
                elif momentum:
                    m[place] = b1 * m[place] + g[place]
                    w[place] -= lr * m[place]
                else:
                    m[place], v[place], d = adam(m[place], v[place], g[place], since + 1, b1, b2, eps)
                    w[place] -= lr * d
        result.append(untall(w, weight.shape))
    return result


def blocks(shape, density, rounds):
    rows = []
    for k in range(rounds):
        mask = np.zeros(tall(np.zeros(shape)).shape)
        size, count = mask.size, round(density * mask.size)
        start = k % (-(-size // count)) * count if count else 0
        for i in range(count):
            mask.reshape(-1)[(start + i) % size] = 1
        rows.append(mask)
    return rows


def kept_places(optimizer, rounds, part):
    """The masks that an optimizer chose, read from its state after the first step of each round."""
    shapes = [w.shape for w in WEIGHTS]
    seen = [[] for _ in shapes]
    variables = [keras.Variable(w) for w in WEIGHTS]
    take = compiled_step(optimizer, variables)
    for _ in range(rounds):
        for step in range(optimizer.update_gap):
            take(GRADIENTS[step])
        for number, shape in enumerate(shapes):
            mask = np.zeros(tall(np.zeros(shape)).shape)
            if optimizer._kind(shape) == "all":
                mask[:] = 1
            elif optimizer.places[number] is not None:
                places = keras.ops.convert_to_numpy(optimizer.places[number])
                assert len(set(places.tolist())) == len(places)
                if part == "columns":
                    mask[:, places] = 1
                else:
                    mask.reshape(-1)[places] = 1
            seen[number].append(mask)
    return seen


@pytest.mark.parametrize(
    "options",
    [
        {"density": 0.3, "free": "signsgd"},
        {"density": 0.5, "free": "sgd", "free_scale": 0.5, "weight_decay": 0.1},
        {"density": 0.6, "free": "signsgd", "momentum": True, "b1": 0.5},
    ],
)
def test_fifty_steps_in_blocks_equal_a_numpy_loop(options):
    gap = 7
    masks = [blocks(w.shape, options["density"], 8) for w in WEIGHTS]
    density = options.pop("density")
    expected = reference(WEIGHTS, GRADIENTS, 0.01, masks, gap, **options)
    optimizer = FRUGAL(
        0.01,
        density,
        "blocks",
        gap,
        "momentum" if options.get("momentum") else "adam",
        options["free"],
        options.get("free_scale", 1.0),
        options.get("b1", 0.9),
        weight_decay=options.get("weight_decay"),
    )
    assert_close(applied(optimizer, WEIGHTS, GRADIENTS), expected)


@pytest.mark.parametrize("part", ["columns", "coordinates"])
def test_fifty_steps_of_drawn_places_equal_a_numpy_loop(part):
    arguments = {"density": 0.4, "part": part, "update_gap": 10, "seed": 5}
    masks = kept_places(FRUGAL(0.01, **arguments), 5, part)
    assert any((a != b).any() for a, b in zip(masks[0], masks[0][1:], strict=False))  # drawn anew
    expected = reference(WEIGHTS, GRADIENTS, 0.01, masks, 10, "signsgd")
    assert_close(applied(FRUGAL(0.01, **arguments), WEIGHTS, GRADIENTS), expected)


@pytest.mark.parametrize("part", ["columns", "coordinates", "blocks", "random", "svd"])
def test_density_one_is_adam_and_density_zero_signsgd(part):
    expected = applied(keras.optimizers.Adam(0.01, epsilon=1e-8), WEIGHTS, GRADIENTS)
    assert_close(applied(FRUGAL(0.01, 1.0, part, update_gap=5), WEIGHTS, GRADIENTS), expected, atol=1e-6)
    weights = applied(FRUGAL(0.01, 0.0, part, update_gap=5), WEIGHTS, GRADIENTS)
    for number, w in enumerate(weights):
        signs = sum(np.sign(g[number]) for g in GRADIENTS)
        np.testing.assert_allclose(w, WEIGHTS[number] - 0.01 * signs, atol=1e-5)
    weights = applied(FRUGAL(0.01, 0.0, part, state_free="sgd"), WEIGHTS, GRADIENTS)
    assert_close(weights, applied(keras.optimizers.SGD(0.01), WEIGHTS, GRADIENTS), atol=1e-5)


@pytest.mark.parametrize("part", ["random", "svd"])
def test_subspaces_split_exactly(part):
    """With momentum 0 and SGD for both parts the step is the gradient itself; without the free part it is P^T P g."""
    weights, gradients = numbers([(8, 5), (3, 9)], steps=1, seed=3)
    options = {"density": 0.4, "part": part, "state_full": "momentum", "beta_1": 0.0}
    whole = applied(FRUGAL(1.0, state_free="sgd", **options), weights, gradients)
    optimizer = FRUGAL(1.0, state_free="none", **options)
    alone = applied(optimizer, weights, gradients)
    for number, (w, g) in enumerate(zip(weights, gradients[0], strict=True)):
        np.testing.assert_allclose(w - whole[number], g, atol=1e-5)
        subspace = keras.ops.convert_to_numpy(optimizer.places[number]).astype("float64")
        count = round(0.4 * min(g.shape))
        np.testing.assert_allclose(subspace.T @ subspace, np.eye(count), atol=1e-5)
        full = tall(w - alone[number])
        np.testing.assert_allclose(full, tall(g) @ subspace @ subspace.T, atol=1e-5)
        assert abs(((tall(g) - full) * full).sum()) < 1e-4  # orthogonal
        if part == "svd":
            values = np.linalg.svd(tall(g).astype("float64"), compute_uv=False)
            np.testing.assert_allclose((full**2).sum(), (values[:count] ** 2).sum(), rtol=1e-4)


@pytest.mark.parametrize("part", ["random", "svd"])
def test_a_refresh_changes_the_subspace_and_empties_the_moments(part):
    weights, gradients = numbers([(8, 5)], steps=6, seed=3)
    optimizer = FRUGAL(0.1, 0.4, part, update_gap=3, beta_1=0.9)
    seen = []
    variables = [keras.Variable(weights[0])]
    for [g] in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g)], variables)
        subspace = keras.ops.convert_to_numpy(optimizer.places[0])
        seen.append((subspace, keras.ops.convert_to_numpy(optimizer.moments[0][0])))
    np.testing.assert_array_equal(seen[0][0], seen[2][0])
    assert np.abs(seen[3][0] - seen[2][0]).max() > 0.01
    np.testing.assert_allclose(seen[3][1], 0.1 * gradients[3][0] @ seen[3][0], atol=1e-6)
    np.testing.assert_allclose(seen[4][1], 0.9 * seen[3][1] + 0.1 * gradients[4][0] @ seen[3][0], atol=1e-6)


@pytest.mark.parametrize("part", ["columns", "coordinates", "blocks", "random", "svd"])
def test_a_quadratic_converges(part):
    x = keras.Variable(np.random.default_rng(0).normal(size=(8, 8)).astype("float32"))
    rate = keras.optimizers.schedules.PolynomialDecay(0.05, 150, 1e-4)
    optimizer = FRUGAL(rate, 0.25, part, update_gap=10)
    step = compiled_step(optimizer, [x])
    for _ in range(150):
        step([keras.ops.convert_to_tensor(x)])
    assert float(keras.ops.max(keras.ops.absolute(x))) < 0.05


def test_memory_of_the_moments():
    for part, more in (("blocks", 0.0), ("coordinates", 4 * 0.25), ("columns", 8 * 4 / (64 * 32)), ("svd", 4 * 8 / 64)):
        optimizer = FRUGAL(density=0.25, part=part)
        optimizer.build([keras.Variable(np.zeros((64, 32)))])
        np.testing.assert_allclose(state_bytes_per_weight(optimizer), 8 * 0.25 + more)


@pytest.mark.parametrize("part", ["columns", "svd"])
def test_fit_with_accumulation(part):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    model.compile(FRUGAL(0.02, 0.5, part, 3, gradient_accumulation_steps=2, clipnorm=1.0), loss="mse")
    x, y = np.random.default_rng(0).normal(size=(16, 6)), np.random.default_rng(1).normal(size=(16, 2))
    history = model.fit(x, y, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_config_round_trip():
    optimizer = FRUGAL(0.1, 0.5, "svd", 7, "momentum", "sgd", 0.5, 0.8, 0.9, 1e-6, 0.1, 3, name="mine", clipvalue=1.0)
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is FRUGAL and again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    "name, value",
    [("density", 1.5), ("density", -0.1), ("part", "rows"), ("state_full", "lion"), ("state_free", None)]
    + [("update_gap", 0), ("free_scale", -1.0), ("beta_1", 1.0), ("beta_2", 2.0), ("epsilon", 0.0), ("seed", -1)],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        FRUGAL(**{name: value})
