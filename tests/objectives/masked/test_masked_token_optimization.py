"""What masked token optimization computes: a slow reference, its limit SimMIM, values of 0."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.token_heterogeneity import patch_heterogeneity, token_heterogeneity
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")
HIDDEN = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 0]], "float32")
NAME = "MaskedTokenOptimization"


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False  # the views are ready
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def distribution(token):
    scaled = (token - token.mean()) / np.sqrt(token.var() + 1e-6)
    return np.exp(scaled) / np.exp(scaled).sum()


def entropy(p):
    return -sum(part * np.log2(part) for part in p)


def slow(tokens, hidden):
    """By the entropies themselves, one sample after the other, in float64."""
    whole, parts = [], []
    for sample, row in zip(tokens.astype("float64"), hidden, strict=True):
        p = [distribution(token) for token in sample]
        h = np.mean([q for q, out in zip(p, row, strict=True) if out], axis=0)
        v = np.mean([q for q, out in zip(p, row, strict=True) if not out], axis=0)
        whole.append(entropy((h + v) / 2) - (entropy(h) + entropy(v)) / 2)
        parts.append([entropy((q + v) / 2) - (entropy(q) + entropy(v)) / 2 for q in p])
    return np.array(whole), np.array(parts)


def test_heterogeneity_equals_the_reference():
    tokens = draws(3, 5, 8)
    whole, parts = slow(tokens, HIDDEN)
    np.testing.assert_allclose(numbers(token_heterogeneity(tokens, HIDDEN)), whole, rtol=1e-4)
    np.testing.assert_allclose(numbers(patch_heterogeneity(tokens, HIDDEN)), parts, rtol=1e-4, atol=1e-6)


def test_identical_tokens_are_not_heterogeneous():
    tokens = np.tile(draws(3, 1, 8), (1, 5, 1))
    np.testing.assert_allclose(numbers(token_heterogeneity(tokens, HIDDEN)), 0.0, atol=1e-6)
    np.testing.assert_allclose(numbers(patch_heterogeneity(tokens, HIDDEN)), 0.0, atol=1e-6)


def test_opposite_tokens_are_nearly_as_heterogeneous_as_can_be():
    tokens = np.zeros((1, 2, 400), "float32")
    tokens[0, 0, 0] = tokens[0, 1, 1] = 1.0
    found = float(token_heterogeneity(tokens, np.array([[1.0, 0.0]], "float32"))[0])
    assert 0.99 < found <= 1.0


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_without_hidden_or_without_visible_tokens_there_is_none(fill):
    hidden = np.full((3, 5), fill, "float32")
    for measure in (token_heterogeneity, patch_heterogeneity):
        assert not numbers(measure(draws(3, 5, 8), hidden)).any()


def test_no_mask_tokens_no_loss():
    model = tiny_model(NAME, mask_ratio=0.0)
    outcome = engine.reduce(model, embedded(model), Step.at(5))
    assert all(value(outcome.logs[name]) == 0.0 for name in ("reconstruction", "singularity", "agreement"))
    assert value(outcome.loss) == 0.0


def test_without_weight_it_is_sim_mim_bit_for_bit():
    encoder = tiny_vit()
    host = keras_ssl.SimMIM(encoder, 0.5)
    model = keras_ssl.MaskedTokenOptimization(encoder, weight=0.0, mask_ratio=0.5)
    model.set_weights(host.get_weights())
    found = []
    for each in (host, model):
        each.explicit_views = False
        outcome, gradients = each.loss_and_gradients({"x": (IMAGES, IMAGES)}, Step.at(5))
        found.append((value(outcome.loss), [keras.ops.convert_to_numpy(gradient) for gradient in gradients]))
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_loss_is_the_sum_of_its_parts():
    model = tiny_model(NAME, weight=0.3)
    z = embedded(model)
    outcome = engine.reduce(model, z, Step.at(5))
    made = {name: numbers(part) for name, part in z.items()}
    errors = np.abs(made["prediction"] - made["target"]).mean(axis=2)
    host = np.mean((made["importance"] * errors).sum(axis=1) / made["hidden"].sum(axis=1))
    expected = host + 0.3 * np.mean(1.0 - made["input_heterogeneity"] + made["output_heterogeneity"])
    assert value(outcome.loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(made["importance"].sum(axis=1), made["hidden"].sum(axis=1), rtol=1e-4)
    assert not made["importance"][made["hidden"] == 0].any() and made["importance"].std() > 0.01


def test_the_measures_are_those_of_the_encoder_s_tokens():
    model = tiny_model(NAME, recalibrate=False)
    z = embedded(model)
    hidden, images = numbers(z["hidden"]), model.encoder_input(IMAGES)
    tokens = keras_ssl.encoders.masked_tokens.masked_tokens(model.encoder, images, z["hidden"], model.mask_token)
    before = numbers(tokens)[:, 1:]
    np.testing.assert_allclose(numbers(z["input_heterogeneity"]), slow(before, hidden)[0], rtol=1e-3, atol=1e-5)
    after = numbers(model.encoder.encode(tokens))[:, 1:]
    np.testing.assert_allclose(numbers(z["output_heterogeneity"]), slow(after, hidden)[0], rtol=1e-3, atol=1e-5)
    assert "importance" not in z


def test_training_on_the_losses_alone_sets_the_mask_token_apart():
    model = tiny_model(NAME, weight=100.0, recalibrate=False)
    model.compile(keras.optimizers.Adam(3e-3))
    history = model.fit(np.concatenate([IMAGES] * 8), batch_size=20, epochs=15, verbose=0).history
    assert history["singularity"][-1] < 0.9 * history["singularity"][0]


def test_refuses():
    with pytest.raises(ValueError, match="Received: weight=-1"):
        tiny_model(NAME, weight=-1)
    with pytest.raises(ValueError, match="must be a vision transformer for MaskedTokenOptimization"):
        keras_ssl.MaskedTokenOptimization(tiny_encoder())
    with pytest.raises(ValueError, match=r"Received: tokens.shape=\(3, 5, 8\), hidden.shape=\(3, 4\)"):
        token_heterogeneity(draws(3, 5, 8), HIDDEN[:, :4])
