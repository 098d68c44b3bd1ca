import itertools
import json

import keras
import numpy as np
import pytest

from keras_ssl.optimizers import DCTLowRankAdamW, dct_basis, state_bytes_per_weight
from tests.optimizers.stepping import SHAPES, adam, applied, assert_close, numbers

WEIGHTS, GRADIENTS = numbers()


def reference(
    weights,
    gradients,
    lr,
    rank,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    weight_decay=0.01,
    update_gap=1,
    norm=2,
    carry_moments=True,
):
    """In float64, one variable after another; moments of a matrix are kept column by column."""
    result = []
    for number, weight in enumerate(weights):
        w = weight.astype("float64")
        m = v = np.zeros_like(w)
        columns, by_place = None, None
        for step, grads in enumerate(gradients):
            g = grads[number].astype("float64")
            w = w - lr * weight_decay * w
            if w.ndim < 2:
                m, v, direction = adam(m, v, g, step + 1, beta_1, beta_2, epsilon)
                w = w - lr * direction
                continue
            flat = g.reshape(-1, g.shape[-1])
            wide = flat.shape[0] < flat.shape[1]
            flat = flat.T if wide else flat
            basis = dct_basis(flat.shape[1])
            turned = flat @ basis
            r = min(rank, flat.shape[1])
            old = columns
            if step % update_gap == 0:
                sizes = (np.abs(turned) ** norm).sum(axis=0)
                columns = sorted(np.argsort(sizes)[::-1][:r])
            zeros = (np.zeros(len(flat)), np.zeros(len(flat)))
            if old is None:
                by_place = [zeros] * r
            elif carry_moments:
                kept = dict(zip(old, by_place, strict=True))
                by_place = [kept.get(column, zeros) for column in columns]
            direction, moved = np.zeros_like(flat), []
            for (m_j, v_j), column in zip(by_place, columns, strict=True):
                m_j, v_j, d_j = adam(m_j, v_j, turned[:, column], step + 1, beta_1, beta_2, epsilon)
                moved.append((m_j, v_j))
                direction += np.outer(d_j, basis[:, column])
            by_place = moved
            w = w - lr * (direction.T if wide else direction).reshape(w.shape)
        result.append(w)
    return result


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2},
        {"rank": 2, "update_gap": 7, "norm": 1, "weight_decay": 0.0},
        {"rank": 1, "carry_moments": False, "beta_1": 0.5, "beta_2": 0.9},
        {"rank": 100, "epsilon": 1e-3},
    ],
)
def test_fifty_steps_equal_a_numpy_loop(options):
    expected = reference(WEIGHTS, GRADIENTS, 0.01, **options)
    assert_close(applied(DCTLowRankAdamW(0.01, **options), WEIGHTS, GRADIENTS), expected)


def test_a_wide_matrix_is_transposed():
    weights, gradients = numbers([(3, 7), (7, 3)], steps=10)
    weights[1], gradients = weights[0].T, [[g[0], g[0].T] for g in gradients]
    wide, tall = applied(DCTLowRankAdamW(0.1, rank=2), weights, gradients)
    np.testing.assert_allclose(wide, tall.T, atol=1e-6)


def first_step_direction(gradient, rank):
    """With beta_1 = beta_2 = 0 and a huge epsilon the step is the projected gradient, over epsilon."""
    optimizer = DCTLowRankAdamW(1e6, rank=rank, beta_1=0.0, beta_2=0.0, epsilon=1e6, weight_decay=0.0)
    [w] = applied(optimizer, [np.zeros_like(gradient)], [[gradient]])
    return -w


def test_full_rank_reconstructs_the_gradient_and_what_is_lost_is_least():
    gradient = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
    np.testing.assert_allclose(first_step_direction(gradient, 4), gradient, atol=1e-4)
    kept = first_step_direction(gradient, 2)
    turned = gradient.astype("float64") @ dct_basis(4)
    sizes = (turned**2).sum(axis=0)
    lost = ((gradient - kept) ** 2).sum()
    np.testing.assert_allclose(lost, np.sort(sizes)[:2].sum(), rtol=1e-3)
    for dropped in itertools.combinations(range(4), 2):
        assert lost <= sizes[list(dropped)].sum() + 1e-3


def test_a_gradient_of_two_cosines_is_recovered_by_rank_two():
    basis = dct_basis(8)
    rows = np.random.default_rng(2).normal(size=(10, 2))
    gradient = (rows @ basis[:, [5, 2]].T).astype("float32")
    np.testing.assert_allclose(first_step_direction(gradient, 2), gradient, atol=1e-4)
    assert np.abs(first_step_direction(gradient, 1) - gradient).max() > 0.1


def test_vectors_take_adamw_steps():
    weights, gradients = [WEIGHTS[1]], [[g[1]] for g in GRADIENTS]
    options = {"weight_decay": 0.02, "epsilon": 1e-6}
    expected = applied(keras.optimizers.AdamW(0.01, **options), weights, gradients)
    assert_close(applied(DCTLowRankAdamW(0.01, rank=1, **options), weights, gradients), expected, atol=1e-6)


def test_state():
    optimizer = DCTLowRankAdamW(rank=4)
    optimizer.build([keras.Variable(np.zeros((64, 32)))])
    assert state_bytes_per_weight(optimizer) == (2 * 4 * 64 * 4 + 4 * 4) / (64 * 32)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_with_accumulation_saves_and_goes_on(tmp_path, jit_compile):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5), keras.layers.Dense(2)])
    optimizer = DCTLowRankAdamW(0.05, rank=2, gradient_accumulation_steps=2, clipnorm=1.0, update_gap=2)
    model.compile(optimizer, loss="mse", jit_compile=jit_compile)
    x, y = np.random.default_rng(0).normal(size=(16, 6)), np.random.default_rng(1).normal(size=(16, 2))
    history = model.fit(x, y, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    if not jit_compile:
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        for model_ in (model, again):
            model_.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_config_round_trip():
    schedule = keras.optimizers.schedules.CosineDecay(0.3, 100)
    optimizer = DCTLowRankAdamW(schedule, 3, 0.8, 0.9, 1e-6, 0.1, 5, 1, False, clipnorm=1.0, name="mine")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is DCTLowRankAdamW and again.get_config() == optimizer.get_config()
    assert again.get_config()["weight_decay"] == 0.1


@pytest.mark.parametrize(
    "name, value",
    [("rank", 0), ("rank", 1.5), ("beta_1", 1.0), ("beta_2", -0.1), ("epsilon", 0.0), ("update_gap", 0), ("norm", 3)],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        DCTLowRankAdamW(**{name: value})


def test_shapes_cover_kernels_vectors_and_scalars():
    assert [len(shape) for shape in SHAPES] == [4, 1, 2, 0]
