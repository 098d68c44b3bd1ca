"""What SatMAE++ computes: slow references, its limit MAE, closed forms."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers import UpsamplingBlock
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss
from keras_ssl.losses.multi_scale_loss import grouped_pixel_loss, image_absolute_error
from keras_ssl.testing.tiny_model import tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")
BANDS = np.random.RandomState(1).rand(5, 16, 16, 4).astype("float32")
GROUPS = [[0, 2], [1], [3]]


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False  # the views are ready
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def grouped(image_size=8, **options):
    encoder = keras_ssl.encoders.ChannelGroupViT(
        GROUPS, patch_size=4, width=16, depth=1, heads=2, image_size=image_size, pooling="mean"
    )
    return keras_ssl.SatMAEPlusPlus(
        encoder, **{"scales": 2, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, **options}
    )


def slow_grouped(predictions, targets, hidden):
    """Loop by loop, in float64."""
    values = []
    for sample, row in enumerate(hidden):
        errors, place = [], 0
        for prediction, target in zip(predictions, targets, strict=True):
            for one, other in zip(prediction[sample], target[sample], strict=True):
                if row[place]:
                    errors.append(np.mean((one.astype("float64") - other) ** 2))
                place += 1
        values.append(np.mean(errors) if errors else 0.0)
    return np.array(values)


def test_loss_of_groups_equals_the_reference():
    predictions, targets = [draws(4, 3, 8), draws(4, 3, 5)], [draws(4, 3, 8, seed=1), draws(4, 3, 5, seed=2)]
    hidden = (np.random.RandomState(3).rand(4, 6) < 0.6).astype("float32")
    hidden[2] = 0.0
    found = numbers(grouped_pixel_loss(predictions, targets, hidden))
    np.testing.assert_allclose(found, slow_grouped(predictions, targets, hidden), rtol=1e-5)
    alone = grouped_pixel_loss(predictions[:1], targets[:1], hidden[:, :3])
    np.testing.assert_array_equal(numbers(alone), numbers(masked_pixel_loss(predictions[0], targets[0], hidden[:, :3])))


def test_absolute_error_of_images():
    x, y = draws(3, 4, 4, 2), draws(3, 4, 4, 2, seed=1)
    expected = [
        np.mean([abs(float(a) - float(b)) for a, b in zip(p.flat, q.flat, strict=True)])
        for p, q in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(numbers(image_absolute_error(x, y)), expected, rtol=1e-5)


def test_one_scale_is_mae():
    """Loss and gradients to the last digit, from the same weights."""
    options = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "normalize_targets": True}
    encoder = tiny_vit()
    mae = keras_ssl.MAE(encoder, **options)
    model = keras_ssl.SatMAEPlusPlus(encoder, scales=1, **options)
    model.set_weights(mae.get_weights())
    found = []
    for each in (mae, model):
        each.explicit_views = False
        outcome, gradients = each.loss_and_gradients({"x": (IMAGES, IMAGES)}, Step.at(5))
        found.append((value(outcome.loss), [keras.ops.convert_to_numpy(gradient) for gradient in gradients]))
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_are_halves_and_doubles():
    model = tiny_model("SatMAEPlusPlus", scales=3)
    x = np.random.RandomState(0).rand(2, 32, 32, 3).astype("float32")
    sizes = model.pyramid(x)
    assert [tuple(size.shape[1:3]) for size in sizes] == [(8, 8), (16, 16), (32, 32)]
    np.testing.assert_allclose(numbers(sizes[0])[1, 2, 3], x[1, 8:12, 12:16].mean(axis=(0, 1)), rtol=1e-5)
    larger, image = UpsamplingBlock(3)(np.zeros((1, 5, 5, 8), "float32"))
    assert larger.shape == (1, 10, 10, 8) and image.shape == (1, 10, 10, 3)


def test_an_upsampling_block_is_what_it_says():
    """By loops over the transposed convolution: each input pixel adds its 4 x 4 kernel at twice its place."""
    block, x = UpsamplingBlock(2), draws(1, 3, 3, 4)
    block(x)
    kernel = numbers(block.enlarge.kernel)  # [4, 4, out, in]
    sums = np.zeros((8, 8, 4))
    for row in range(3):
        for column in range(3):
            sums[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += kernel @ x[0, row, column].astype("float64")
    np.testing.assert_allclose(numbers(block.enlarge(x))[0], sums[1:7, 1:7], atol=1e-5)
    y = (sums[1:7, 1:7] - sums[1:7, 1:7].mean(-1, keepdims=True)) / np.sqrt(sums[1:7, 1:7].var(-1) + 1e-6)[..., None]
    y = np.where(y > 0, y, 0.01 * y).astype("float32")[None]
    after = block.conv2(keras.ops.relu(block.conv1(y)))
    larger, image = block(x)
    np.testing.assert_allclose(numbers(larger), numbers(block.norm(y + 0.5 * after)), atol=1e-4)
    np.testing.assert_allclose(numbers(image), numbers(block.image(larger)), atol=1e-5)


def test_the_model_s_loss_is_that_of_its_embeddings():
    model = grouped(scales=3)
    z = embedded(model, np.repeat(np.repeat(BANDS, 2, axis=1), 2, axis=2))
    outcome = engine.reduce(model, z, Step.at(5))
    made = {name: numbers(part) for name, part in z.items()}
    parts = [[made[f"{kind}{n}"] for n in (1, 2, 3)] for kind in ("prediction", "target")]
    assert made["hidden"].shape == (5, 12) and (made["hidden"].sum(axis=1) == 9).all()
    hidden = slow_grouped(*parts, made["hidden"]).mean()
    further = [np.abs(made[f"image{size}"] - made[f"view{size}"]).mean() for size in (2, 4)]
    assert value(outcome.loss) == pytest.approx(hidden + np.mean(further), rel=1e-5)
    assert value(outcome.logs["scale4"]) == pytest.approx(further[1], rel=1e-5)


def test_perfect_reconstruction_costs_nothing_at_any_scale():
    model = grouped()
    z = embedded(model, BANDS)
    for number in (1, 2, 3):
        z[f"prediction{number}"] = z[f"target{number}"]
    z["image2"] = z["view2"]
    assert value(engine.reduce(model, z, Step.at(5)).loss) == 0.0


def test_errors_of_visible_tokens_do_not_count():
    model = grouped(scales=1)
    z = embedded(model, BANDS[:, :8, :8])
    visible = 1.0 - numbers(z["hidden"]).reshape(5, 3, 4, 1).astype("float32")
    other = {**z, **{f"prediction{n}": z[f"prediction{n}"] + 7.0 * visible[:, n - 1] for n in (1, 2, 3)}}
    assert value(engine.reduce(model, z, Step.at(5)).loss) == value(engine.reduce(model, other, Step.at(5)).loss)


def test_hidden_tokens_do_not_change_the_prediction():
    model = grouped(scales=1)
    model.preprocessing = None
    images = BANDS[:, :8, :8]
    z = embedded(model, images)
    mask = numbers(z["hidden"]).reshape(5, 3, 2, 2).repeat(4, axis=2).repeat(4, axis=3)
    change = np.stack([mask[:, next(g for g, group in enumerate(GROUPS) if c in group)] for c in range(4)], axis=-1)
    other = embedded(model, (images * (1 - change) + 0.5 * change).astype("float32"))
    for name in ("features", "prediction1", "prediction2", "prediction3"):
        np.testing.assert_allclose(numbers(z[name]), numbers(other[name]), atol=1e-5)
    assert np.abs(numbers(embedded(model, 1 - images)["prediction1"]) - numbers(z["prediction1"])).max() > 1e-4


def test_places_may_be_hidden_in_all_groups_together():
    model = grouped(same_places=True, scales=1, mask_ratio=0.5)
    hidden = numbers(embedded(model, BANDS[:, :8, :8])["hidden"]).reshape(5, 3, 4)
    assert (hidden == hidden[:, :1]).all() and (hidden.sum(axis=2) == 2).all()
    apart = numbers(embedded(grouped(scales=1, mask_ratio=0.5), BANDS[:, :8, :8])["hidden"]).reshape(5, 3, 4)
    assert (apart != apart[:, :1]).any()


def test_default_views_have_the_largest_size():
    model = keras_ssl.SatMAEPlusPlus(tiny_vit(), 3, decoder_width=16, decoder_depth=1, decoder_heads=2)
    views = model.call_views(IMAGES, Step.at(5))
    assert views[0].shape == (5, 64, 64, 3)


@pytest.mark.slow
def test_groups_take_the_steps_of_every_objective():
    from keras_ssl.testing import check_objective

    arrays = {"x": np.random.RandomState(2).randint(0, 256, (36, 16, 16, 4)).astype("uint8")}
    checks = ("config", "file", "gradient", "resume")
    check_objective(lambda: grouped(image_size=16), arrays, checks=checks)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"scales": 0}, "scales=0"), ({"normalize_targets": True}, "normalize_targets=True, scales=2")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        grouped(**options)


def test_refuses_other_encoders_and_sizes():
    with pytest.raises(ValueError, match="must be a vision transformer for SatMAEPlusPlus.*Received: ConvNet"):
        keras_ssl.SatMAEPlusPlus(keras_ssl.encoders.ConvNet((4,)))
    with pytest.raises(ValueError, match="multiple of 8. Received: 12 x 12 pixels"):
        embedded(tiny_model("SatMAEPlusPlus"), IMAGES[:, :12, :12])


def test_losses_refuse():
    with pytest.raises(ValueError, match="Received: predictions of shapes"):
        grouped_pixel_loss([draws(1, 2, 3)], [draws(1, 2, 4)], np.ones((1, 2), "float32"))
    with pytest.raises(ValueError, match=r"\[1, 2\]. Received: hidden.shape=\(1, 3\)"):
        grouped_pixel_loss([draws(1, 2, 3)], [draws(1, 2, 3)], np.ones((1, 3), "float32"))
    with pytest.raises(ValueError, match=r"Received: prediction.shape=\(1, 2, 2, 3\), target.shape=\(1, 2, 2, 1\)"):
        image_absolute_error(draws(1, 2, 2, 3), draws(1, 2, 2, 1))
    with pytest.raises(ValueError, match="Received: channels=0"):
        UpsamplingBlock(0)
