"""What Selfie computes: a slow reference, closed forms, what its summary sees."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.patch_selection_loss import patch_selection_loss
from keras_ssl.testing.tiny_model import cheap_views, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False  # the views are ready
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def slow_loss(queries, candidates, temperature):
    """Loop by loop, in float64."""
    values = []
    for query, candidate in zip(queries.astype("float64"), candidates.astype("float64"), strict=True):
        total = 0.0
        for place in range(len(query)):
            weights = [np.exp(query[place] @ other / temperature) for other in candidate]
            total -= np.log(weights[place] / sum(weights))
        values.append(total / len(query))
    return np.array(values)


def test_loss_equals_the_reference():
    queries, candidates = draws(4, 6, 8), draws(4, 6, 8, seed=1)
    for temperature in (1.0, 2.5):
        found = patch_selection_loss(queries, candidates, temperature)
        np.testing.assert_allclose(numbers(found), slow_loss(queries, candidates, temperature), rtol=1e-5)


def test_identical_patches_cost_the_logarithm_of_their_number():
    candidates = np.repeat(draws(3, 1, 8), 5, axis=1)
    np.testing.assert_allclose(numbers(patch_selection_loss(draws(3, 5, 8, seed=1), candidates)), np.log(5), rtol=1e-5)


def test_a_single_candidate_costs_nothing():
    np.testing.assert_allclose(numbers(patch_selection_loss(draws(3, 1, 8), draws(3, 1, 8, seed=1))), 0.0, atol=1e-6)


def test_queries_along_their_own_of_orthogonal_codes_cost_nothing_in_the_end():
    codes = np.eye(6, dtype="float32")[None]
    losses = [float(patch_selection_loss(scale * codes, codes)[0]) for scale in (1.0, 4.0, 30.0)]
    assert losses[0] > losses[1] > losses[2] and losses[2] < 1e-6


def test_the_order_of_hidden_places_does_not_count():
    queries, candidates, order = draws(3, 5, 8), draws(3, 5, 8, seed=1), [3, 0, 4, 2, 1]
    found = [patch_selection_loss(queries[:, o], candidates[:, o]) for o in (slice(None), order)]
    np.testing.assert_allclose(numbers(found[0]), numbers(found[1]), rtol=1e-5)


def hidden_places(model, images):
    """Numbers of the hidden squares of each sample, as the model draws them."""
    keep = numbers(model.mask(Step.at(len(images)).stream(), (4, 4))).astype(int)
    return [sorted(set(range(16)) - set(row)) for row in keep]


def test_embeddings_are_codes_of_the_hidden_squares_and_the_summary_with_their_positions():
    model = tiny_model("Selfie")
    z = {name: numbers(part) for name, part in embedded(model).items()}
    assert z["queries"].shape == z["candidates"].shape == (5, 4, 16)
    images = numbers(model.encoder_input(IMAGES))
    positions = keras_ssl.encoders.token_sequence.sincos_positions(4, 16)[1:]
    keep = model.mask(Step.at(5).stream(), (4, 4))
    _, codes = model.patch_codes(images.astype("float32"))
    summary = numbers(model.summary_token(codes, keep, (4, 4)))
    for sample, places in enumerate(hidden_places(model, IMAGES)):
        for number, place in enumerate(places):
            row, column = 4 * (place // 4), 4 * (place % 4)
            square = images[sample : sample + 1, row : row + 4, column : column + 4].astype("float32")
            expected = numbers(model.code(model.encoder(square)))[0]
            np.testing.assert_allclose(z["candidates"][sample, number], expected, atol=1e-4)
            np.testing.assert_allclose(z["queries"][sample, number], summary[sample] + positions[place], atol=1e-4)


def test_the_model_s_loss_is_that_of_its_embeddings():
    model = tiny_model("Selfie", temperature=2.0)
    z = embedded(model)
    expected = slow_loss(numbers(z["queries"]), numbers(z["candidates"]), 2.0)
    outcome = engine.reduce(model, z, Step.at(5))
    assert value(outcome.loss) == pytest.approx(expected.mean(), rel=1e-5)
    logits = np.einsum("nmd,nkd->nmk", numbers(z["queries"]), numbers(z["candidates"]))
    assert value(outcome.logs["accuracy"]) == pytest.approx(np.mean(logits.argmax(axis=2) == np.arange(4)))


def test_hidden_pixels_do_not_change_the_summary():
    """So its gradient by them is 0: there is no leak."""
    model = tiny_model("Selfie")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    other, seen = images.copy(), images.copy()
    for sample, places in enumerate(hidden_places(model, images)):
        for place in range(16):
            row, column = 4 * (place // 4), 4 * (place % 4)
            (other if place in places else seen)[sample, row : row + 4, column : column + 4] = 0.5
    first, second, third = (embedded(model, x) for x in (images, other, seen))
    np.testing.assert_allclose(numbers(first["queries"]), numbers(second["queries"]), atol=1e-5)
    assert np.abs(numbers(first["candidates"]) - numbers(second["candidates"])).max() > 1e-3
    np.testing.assert_allclose(numbers(first["candidates"]), numbers(third["candidates"]), atol=1e-5)
    assert np.abs(numbers(first["queries"]) - numbers(third["queries"])).max() > 1e-3


def test_after_training_the_encoder_sees_whole_images():
    model = tiny_model("Selfie")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    np.testing.assert_allclose(numbers(model(images)), numbers(model.encoder(images)), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 1.0}, "ratio=1.0"),
        ({"patch_size": 0}, "patch_size=0"),
        ({"width": 2}, "width=2"),
        ({"depth": 0}, "depth=0"),
        ({"heads": 0}, "heads=0"),
        ({"temperature": 0.0}, "temperature=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model("Selfie", **options)


def test_refuses_what_cannot_be_cut():
    model = tiny_model("Selfie", patch_size=5)
    with pytest.raises(ValueError, match="Received: images of 16 x 16 pixels"):
        embedded(model)
    with pytest.raises(ValueError, match="Received: images of 16 x 8 pixels"):
        embedded(tiny_model("Selfie"), IMAGES[:, :, :8])
    with pytest.raises(ValueError, match="at least two of the 4 squares. Received: mask_ratio=0.25"):
        embedded(keras_ssl.Selfie(tiny_vit(), 8, width=16, heads=2, views=cheap_views()))


def test_refuses_encoders_of_one_size():
    with pytest.raises(ValueError, match=r"must take images of any size for Selfie.*Received: .*\(None, 8, 8, 3\)"):
        keras_ssl.Selfie(keras_ssl.encoders.ConvNet((4,), input_shape=(8, 8, 3)), 4)


def test_loss_refuses():
    with pytest.raises(ValueError, match="Received: temperature=-1"):
        patch_selection_loss(draws(1, 2, 3), draws(1, 2, 3), -1)
    with pytest.raises(ValueError, match=r"Received: queries.shape=\(1, 2, 3\), candidates.shape=\(1, 3, 3\)"):
        patch_selection_loss(draws(1, 2, 3), draws(1, 3, 3))
