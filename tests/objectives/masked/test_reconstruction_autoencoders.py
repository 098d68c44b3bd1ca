"""What denoising and contractive autoencoders learn: the score of Gaussian data exactly, and each other's loss."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import langevin_samples, metropolis_hastings_samples
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

BOTH = ["DenoisingAutoencoder", "ContractiveReconstructionAutoencoder"]
WIDTH = 3
COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def linear(name, matrix, **options):
    """An autoencoder with `r(x) = x @ matrix`."""
    inputs = keras.Input((WIDTH,))
    encoder = keras.Model(inputs, keras.layers.Dense(WIDTH, use_bias=False)(inputs))
    features = keras.Input((WIDTH,))
    decoder = keras.Model(features, keras.layers.Dense(WIDTH, use_bias=False)(features))
    encoder.set_weights([np.asarray(matrix, "float32")])
    decoder.set_weights([np.eye(WIDTH, dtype="float32")])
    return getattr(keras_ssl, name)(encoder, decoder=decoder, **options)


def curved(name, **options):
    """A network of one hidden layer, with a linear decoder."""
    inputs = keras.Input((WIDTH,))
    encoder = keras.Model(inputs, keras.layers.Dense(5, activation="tanh")(inputs))
    return getattr(keras_ssl, name)(encoder, decoder_widths=(), **options)


def gaussian(count, seed=0):
    """Samples whose covariance (about 0) is `COVARIANCE` to the last digit."""
    x = np.random.default_rng(seed).normal(size=(count, WIDTH))
    whiten = np.linalg.inv(np.linalg.cholesky(x.T @ x / count)).T
    return (x @ whiten @ np.linalg.cholesky(COVARIANCE).T).astype("float32")


def axes(x, step=None):
    """In the place of normal vectors: the axes in turn, times the root of their number, whose mean square is 1 too."""
    rows = np.arange(x.shape[0]) % WIDTH
    return keras.ops.convert_to_tensor(np.sqrt(WIDTH) * np.eye(WIDTH, dtype="float32")[rows])


def loss(model, x, **options):
    step = Step.at(len(x), **options)
    return engine.reduce(model, model.embed({"x": x}, step), step)


def best(sigma):
    return COVARIANCE @ np.linalg.inv(COVARIANCE + sigma**2 * np.eye(WIDTH))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("sigma", [0.1, 0.7])
def test_the_best_linear_reconstruction_of_gaussian_data_gives_the_score_of_the_noisy_data(name, sigma):
    x = gaussian(30)
    model = linear(name, best(sigma).T, sigma=sigma)
    expected = -x @ np.linalg.inv(COVARIANCE + sigma**2 * np.eye(WIDTH))
    np.testing.assert_allclose(numbers(model.score(x)), expected, rtol=1e-3, atol=1e-4)


def test_the_loss_of_a_linear_reconstruction_is_least_at_the_best():
    """The gradient vanishes there, and the loss is the closed form `|x W - x|^2 + sigma^2 |W|^2`."""
    x, sigma = gaussian(60), 0.7
    model = linear("ContractiveReconstructionAutoencoder", best(sigma).T, sigma=sigma)
    model.noise = axes
    outcome, gradients = model.loss_and_gradients({"x": x}, Step.at(60))
    matrix = best(sigma).T
    errors = np.mean(np.sum((x @ matrix - x) ** 2, axis=1))
    assert value(outcome.loss) == pytest.approx(errors + sigma**2 * np.sum(matrix**2), rel=1e-4)
    assert value(outcome.logs["contraction"]) == pytest.approx(np.sum(matrix**2), rel=1e-4)
    assert max(np.abs(numbers(gradient)).max() for gradient in gradients) < 5e-4 * WIDTH
    other = linear("ContractiveReconstructionAutoencoder", best(sigma).T + 0.1, sigma=sigma)
    other.noise = axes
    assert value(loss(other, x).loss) > value(outcome.loss)


def test_the_penalty_of_a_linear_reconstruction_is_the_squared_norm_of_its_matrix_on_average():
    matrix, x = draws(WIDTH, WIDTH), draws(4000, WIDTH, seed=1)
    model = linear("ContractiveReconstructionAutoencoder", matrix, sigma=0.5)
    outcome = loss(model, x)
    assert value(outcome.logs["contraction"]) == pytest.approx(np.sum(matrix.astype("float64") ** 2), rel=0.05)


@pytest.mark.parametrize("sigma", [0.2, 1.5])
def test_both_losses_of_a_linear_reconstruction_are_equal_on_average(sigma):
    matrix, x = draws(WIDTH, WIDTH), draws(6000, WIDTH, seed=1)
    found = [value(loss(linear(name, matrix, sigma=sigma), x).loss) for name in BOTH]
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_without_noise_or_contraction_they_are_the_plain_autoencoder():
    x = draws(7, WIDTH)
    for name in BOTH:
        model = curved(name, sigma=0.0)
        outcome = loss(model, x)
        plain = np.mean(np.sum((numbers(model.decoder(model.encoder(x))) - x) ** 2, axis=1))
        assert value(outcome.loss) == pytest.approx(plain, rel=1e-5) and "contraction" not in outcome.logs
        with pytest.raises(ValueError, match="Received: sigma=0.0"):
            model.score(x)


def test_the_jacobian_s_product_equals_the_slow_jacobian():
    """By the chain rule, for one sample after the other, in float64."""
    model, x, v = curved("ContractiveReconstructionAutoencoder"), draws(6, WIDTH), draws(6, WIDTH, seed=1)
    (kernel, bias), (output, _) = (
        [numbers(weight) for weight in part.weights] for part in (model.encoder, model.decoder)
    )
    found = numbers(model.jacobian_product(x, v))
    for sample in range(6):
        hidden = np.tanh(x[sample].astype("float64") @ kernel + bias)
        jacobian = (kernel * (1.0 - hidden**2)) @ output
        np.testing.assert_allclose(found[sample], v[sample].astype("float64") @ jacobian, atol=2e-3)


def test_the_denoising_loss_is_that_of_the_noise_it_drew():
    model, x = curved("DenoisingAutoencoder", sigma=0.4), draws(6, WIDTH)
    step = Step.at(6)
    noisy = x + 0.4 * numbers(model.noise(x, step)).astype("float32")
    expected = np.mean(np.sum((numbers(model.decoder(model.encoder(noisy))) - x) ** 2, axis=1))
    assert value(loss(model, x).loss) == pytest.approx(expected, rel=1e-5)
    assert value(loss(model, x, index=1).loss) != value(loss(model, x).loss)


@pytest.mark.parametrize("name", BOTH)
def test_training_finds_the_score_of_gaussian_data(name):
    sigma = 0.5
    x = gaussian(2048)
    model = linear(name, np.eye(WIDTH), sigma=sigma)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 480)))
    model.fit(x, epochs=30, batch_size=128, verbose=0)
    expected = -x @ np.linalg.inv(COVARIANCE + sigma**2 * np.eye(WIDTH))
    error = np.mean((numbers(model.score(x)) - expected) ** 2) / np.mean(expected**2)
    assert error < 0.01


def test_metropolis_hastings_draws_from_a_gaussian():
    inverse = np.linalg.inv(COVARIANCE).astype("float32")
    points, taken = metropolis_hastings_samples(lambda x: -x @ inverse, np.zeros((4000, WIDTH)), 0.7, 200, seed=1)
    assert 0.3 < taken < 0.8 and points.dtype == np.float32
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(np.cov(points.T), COVARIANCE, atol=0.15)
    again, _ = metropolis_hastings_samples(lambda x: -x @ inverse, np.zeros((4000, WIDTH)), 0.7, 200, seed=1)
    np.testing.assert_array_equal(points, again)


def test_langevin_draws_from_a_gaussian_with_small_steps():
    """With steps of h the variance of an axis with variance v is `v / (1 - h / (2 v))`."""
    variances = np.array([0.5, 1.0, 2.0], "float32")
    points = langevin_samples(lambda x: -x / variances, np.zeros((6000, WIDTH)), 0.2, 300)
    np.testing.assert_allclose(points.var(axis=0), variances / (1.0 - 0.1 / variances), rtol=0.07)


def test_a_decoder_of_ones_own_is_saved(tmp_path):
    model = linear("DenoisingAutoencoder", draws(WIDTH, WIDTH), sigma=0.2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    x = draws(4, WIDTH)
    np.testing.assert_allclose(numbers(again.score(x)), numbers(model.score(x)), rtol=1e-5)


def test_images_are_reconstructed_in_the_encoder_s_scale():
    model = tiny_model("DenoisingAutoencoder")
    images = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype("uint8")
    z = model.embed({"x": (images, images)}, Step.at(4))
    assert tuple(z["reconstruction"].shape) == tuple(z["target"].shape) == (4, 16, 16, 3)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("options", "message"), [({"sigma": -1.0}, "sigma=-1.0"), ({"decoder_widths": (0,)}, "decoder_widths=0")]
)
def test_refuses(name, options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        curved(name, **options) if "sigma" in options else tiny_model(name, **options)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="Received: difference=0.0"):
        curved("ContractiveReconstructionAutoencoder", difference=0.0)
    wrong = keras.Sequential([keras.Input((4,)), keras.layers.Dense(WIDTH)])
    with pytest.raises(ValueError, match=r"features of width 16 to inputs.*Received: decoder from \(4,\) to \(3,\)"):
        tiny_model("DenoisingAutoencoder", decoder=wrong)
    with pytest.raises(ValueError, match="must be a built keras.Model. Received: decoder="):
        tiny_model("DenoisingAutoencoder", decoder=keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(ValueError, match="known shape.*Received: encoder with input shape"):
        keras_ssl.DenoisingAutoencoder(keras_ssl.encoders.ConvNet((4,)))


def test_samplers_refuse():
    for sample in (langevin_samples, metropolis_hastings_samples):
        with pytest.raises(ValueError, match="Received: step_size=0.0"):
            sample(lambda x: -x, np.zeros((2, 1)), 0.0)
        with pytest.raises(ValueError, match="Received: steps=0"):
            sample(lambda x: -x, np.zeros((2, 1)), 0.1, 0)
        with pytest.raises(ValueError, match="Received: shape .*, 2 values not finite"):
            sample(lambda x: x + np.nan, np.zeros((2, 1)), 0.1)
