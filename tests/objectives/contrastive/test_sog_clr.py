"""What SogCLR and ISogCLR compute and remember, against slow references, closed forms and DCL."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder

Z = {"z1": draws(5, 6), "z2": draws(5, 6) + 0.5 * draws(5, 6, seed=1), "index": np.array([3, 0, 7, 5, 1], "int32")}
KIND = [keras_ssl.SogCLR, keras_ssl.ISogCLR]


def make(kind=keras_ssl.ISogCLR, dataset_size=9, temperature=0.2, **options):
    return kind(encoder(), dataset_size, (6,), temperature, views=cheap_views(), **options)


def table(model):
    return keras.ops.convert_to_numpy(model.table.contents).astype("float64").copy()


def step(model, embeddings=Z, updated=True):
    """One step's state; gives the loss before it."""
    loss = value(model.objective(embeddings, Step.at(1))[0])
    model.after_step(embeddings, updated, Step.at(1))
    return loss


def slow(z1, z2, temperatures, averages, gamma):
    """(loss, new averages, derivatives by the temperatures); an average of None was never made."""
    n, loss, new, slopes = len(z1), 0.0, np.zeros(len(z1)), np.zeros(len(z1))
    z = unit(np.concatenate([z1, z2]).astype("float64"))
    for i in range(2 * n):
        s = np.array([z[i] @ z[j] for j in range(2 * n) if j % n != i % n])
        t, past = temperatures[i % n], averages[i % n]
        u = np.exp(s / t).mean()
        u = u if past is None else (1 - gamma) * past + gamma * u
        loss += (t * np.log(u) - z[i] @ z[(i + n) % (2 * n)]) / (2 * n)
        new[i % n] += u / 2
        slopes[i % n] += (np.log(u) - (np.exp(s / t) / u * s / t).mean()) / 2
    return loss, new, slopes


@pytest.mark.slow
def test_two_steps_equal_the_loops():
    options = {"gamma": 0.3, "rho": 0.4, "temperature_rate": 0.05, "temperature_momentum": 0.5}
    model = make(**options)
    temperatures, velocity, averages = np.full(5, 0.2), np.zeros(5), [None] * 5
    for seed in (0, 1):
        z1, z2 = draws(5, 6, seed=seed), draws(5, 6, seed=seed) + 0.5 * draws(5, 6, seed=9)
        loss, averages, slopes = slow(z1, z2, temperatures, averages, 0.3)
        assert step(model, {**Z, "z1": z1, "z2": z2}) == pytest.approx(loss, rel=1e-5)
        velocity = 0.5 * velocity + 0.5 * np.clip(slopes + 0.4, -3, 3)
        temperatures = np.clip(temperatures - 0.05 * velocity, 0.05, 1.0)
    rows = table(model)[Z["index"]]
    np.testing.assert_allclose(rows[:, 0], np.log(averages), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows[:, 2], temperatures, rtol=1e-5)
    np.testing.assert_allclose(rows[:, 3], velocity, rtol=1e-4)


@pytest.mark.parametrize("kind", KIND)
def test_only_indexed_rows_change(kind):
    model = make(kind)
    before = table(model)
    step(model)
    changed = (table(model) != before).any(1)
    np.testing.assert_array_equal(np.flatnonzero(changed), np.sort(Z["index"]))


@pytest.mark.parametrize("kind", KIND)
def test_nothing_changes_where_the_step_did_not_update(kind):
    model = make(kind)
    before = table(model)
    step(model, updated=keras.ops.convert_to_tensor(False))
    np.testing.assert_array_equal(table(model), before)


def test_sog_clr_is_the_case_of_a_fixed_temperature():
    models = make(keras_ssl.SogCLR, gamma=0.6), make(gamma=0.6, temperature_rate=0.0)
    for seed in range(3):
        embeddings = {**Z, "z1": draws(5, 6, seed=seed)}
        losses = [step(model, embeddings) for model in models]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    np.testing.assert_allclose(table(models[0]), table(models[1])[:, :2], rtol=1e-6)


def test_gamma_1_is_the_temperature_times_dcl():
    model, dcl = make(keras_ssl.SogCLR, gamma=1.0), keras_ssl.DCL(encoder(), projector=(6,), temperature=0.2)
    step(model)
    expected = 0.2 * (value(dcl.objective(Z, Step.at(1))[0]) - np.log(8))
    assert step(model) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "end"), [(50.0, 0.05), (0.0, 1.0)])
def test_a_large_rho_ends_at_the_lowest_temperature_and_rho_0_at_the_highest(rho, end):
    model = make(gamma=1.0, rho=rho, temperature_rate=0.5)
    for _ in range(100):
        model.after_step(Z, True, Step.at(1))
    rows = table(model)
    np.testing.assert_allclose(rows[Z["index"], 2], end, rtol=1e-5)
    np.testing.assert_allclose(np.delete(rows, Z["index"], axis=0)[:, 2], 0.2, rtol=1e-6)


@pytest.mark.long
def test_at_an_interior_optimum_the_divergence_is_rho():
    model = make(gamma=1.0, rho=0.3, temperature_rate=0.02)
    for _ in range(400):
        model.after_step(Z, True, Step.at(1))
    temperatures = table(model)[Z["index"], 2]
    assert (temperatures > 0.06).all() and (temperatures < 0.99).all()
    z = unit(np.concatenate([Z["z1"], Z["z2"]]).astype("float64"))
    divergences = np.zeros(5)
    for i in range(10):
        p = np.exp([z[i] @ z[j] / temperatures[i % 5] for j in range(10) if j % 5 != i % 5])
        p /= p.sum()
        divergences[i % 5] += (p * np.log(8 * p)).sum() / 2
    np.testing.assert_allclose(divergences, 0.3, atol=0.01)


@pytest.mark.parametrize("kind", KIND)
def test_a_number_beyond_the_table_is_an_error_with_arrays(kind):
    model = make(kind, dataset_size=9)
    model.compile("sgd", run_eagerly=EAGERLY)
    x = np.zeros((12, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="dataset_size=9, index from 0 to 11"):
        model.fit(x, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="dataset_size=9, index from 3 to 9"):
        model.fit({"x": x[:4], "index": np.array([3, 9, 4, 5])}, batch_size=4, verbose=0)


@pytest.mark.parametrize("kind", KIND)
def test_a_number_beyond_the_table_makes_the_loss_nan(kind):
    model = make(kind)
    assert np.isnan(value(model.objective({**Z, "index": np.array([3, 0, 9, 5, 1], "int32")}, Step.at(1))[0]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KIND)
def test_fit_fills_the_table_and_evaluation_leaves_it_alone(kind):
    model = make(kind, dataset_size=16)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=EAGERLY)
    x = np.random.RandomState(0).randint(0, 256, (16, 8, 8, 3)).astype("uint8")
    model.fit(x, batch_size=8, verbose=0)
    after = table(model)
    assert (after[:, 1] == 1).all()
    data = keras_ssl.data.from_arrays(x, index=np.arange(100, 116), batch_size=8)
    assert np.isfinite(model.evaluate(data, verbose=0)[0])
    np.testing.assert_array_equal(table(model), after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset_size": 0}, "dataset_size=0"),
        ({"gamma": 0}, "gamma=0"),
        ({"rho": -1}, "rho=-1"),
        ({"temperature_rate": -1}, "temperature_rate=-1"),
        ({"temperature_momentum": 0}, "temperature_momentum=0"),
        ({"temperature": 2.0}, "temperature=2.0"),
        ({"temperature_range": (0.0, 1.0)}, "=0.0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        make(**options)
