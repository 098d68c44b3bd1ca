"""What further pretraining with self-distillation computes: a slow reference, limits, rounds."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.hidden_distance_loss import hidden_distance_loss
from keras_ssl.testing.tiny_model import cheap_views, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from keras_ssl.training.functional import value_and_gradients
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
NAME = "SelfDistilledFurtherPretraining"
SMALL = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def weights(layer):
    return [keras.ops.convert_to_numpy(weight).copy() for weight in layer.weights]


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False  # the views are ready
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def scrambled(encoder, seed=0):
    """An encoder of the same architecture with weights of its own."""
    twin, rng = type(encoder).from_config(encoder.get_config()), np.random.default_rng(seed)
    twin.set_weights([w + 0.1 * rng.normal(size=w.shape).astype(w.dtype) for w in encoder.get_weights()])
    return twin


def distance(student, teacher):
    """Loop by loop, in float64."""
    return np.array(
        [
            np.mean([(float(a) - float(b)) ** 2 for a, b in zip(one.flat, other.flat, strict=True)])
            for one, other in zip(student, teacher, strict=True)
        ]
    )


@pytest.mark.parametrize("shape", [(4, 5), (4, 3, 5)])
def test_loss_equals_the_reference(shape):
    student, teacher = draws(*shape), draws(*shape, seed=1)
    found = numbers(hidden_distance_loss(student, teacher))
    np.testing.assert_allclose(found, distance(student, teacher), rtol=1e-5)


def fitted(model, epochs=2):
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=False)
    history = model.fit(np.concatenate([IMAGES] * 2), batch_size=6, epochs=epochs, verbose=0, shuffle=False).history
    return history


def test_without_weight_it_is_mae_step_by_step():
    encoder, other = tiny_vit(), tiny_vit()
    mae = keras_ssl.MAE(encoder, **SMALL, views=cheap_views())
    model = keras_ssl.SelfDistilledFurtherPretraining(other, weight=0.0, **SMALL, views=cheap_views())
    other.set_weights(encoder.get_weights())
    for mine, theirs in zip(model.trainable_weights, mae.trainable_weights, strict=True):
        mine.assign(keras.ops.convert_to_numpy(theirs))
    assert fitted(mae)["loss"] == fitted(model)["loss"]
    for mine, theirs in zip(model.trainable_weights, mae.trainable_weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(theirs))


@pytest.mark.parametrize("compare", ["image", "visible"])
def test_the_loss_is_mae_and_the_distance_to_the_teacher_s_tokens(compare):
    encoder = tiny_vit()
    teacher = scrambled(encoder)
    model = keras_ssl.SelfDistilledFurtherPretraining(
        encoder, teacher, weight=0.3, compare=compare, **SMALL, views=cheap_views()
    )
    z = embedded(model)
    outcome = engine.reduce(model, z, Step.at(6))
    images = model.encoder_input(IMAGES)
    keep = model.mask(Step.at(6).stream(), (4, 4)) if compare == "visible" else None
    hidden = [numbers(each.encode(each.tokens(images), keep)) for each in (encoder, teacher)]
    assert hidden[0].shape == (6, 5 if compare == "visible" else 17, 16)
    expected = distance(*hidden).mean()
    assert value(outcome.logs["distance"]) == pytest.approx(expected, rel=1e-4) and expected > 1e-4
    whole = value(outcome.logs["reconstruction"]) + 0.3 * expected
    assert value(outcome.loss) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("compare", ["image", "visible"])
def test_a_teacher_that_has_made_no_step_adds_neither_loss_nor_gradient(compare):
    model = tiny_model(NAME, compare=compare, weight=10.0)
    plain = tiny_model(NAME, weight=0.0)
    plain.set_weights(model.get_weights())
    found = []
    for each in (model, plain):
        each.explicit_views = False
        outcome, gradients = each.loss_and_gradients({"x": (IMAGES, IMAGES)}, Step.at(6))
        found.append((value(outcome.loss), gradients))
        assert value(outcome.logs.get("distance", 0.0)) == pytest.approx(0.0, abs=1e-10)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(numbers(one), numbers(other), atol=1e-6)


def test_the_teacher_stands_still_while_the_student_learns():
    encoder = tiny_vit()
    model = keras_ssl.SelfDistilledFurtherPretraining(encoder, scrambled(encoder), **SMALL, views=cheap_views())
    teacher, student = weights(model.teacher), weights(encoder)
    fitted(model)
    assert all(np.array_equal(a, b) for a, b in zip(teacher, weights(model.teacher), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(student, weights(encoder), strict=True))


def test_without_a_teacher_it_is_the_encoder_at_the_first_step():
    """Weights that were loaded since the model was made are followed; those of a teacher given are not."""
    for given in (False, True):
        encoder = tiny_vit()
        teacher = scrambled(encoder, 1) if given else None
        model = keras_ssl.SelfDistilledFurtherPretraining(encoder, teacher, **SMALL, views=cheap_views())
        encoder.set_weights(scrambled(encoder, 2).get_weights())
        model.before_first_step()
        expected = weights(teacher if given else encoder)
        assert all(np.array_equal(a, b) for a, b in zip(expected, weights(model.teacher), strict=True))


def test_rounds_start_from_the_first_weights_and_teach_by_the_last():
    encoder = tiny_vit()
    start = weights(encoder)
    starts, ends, teachers, sums = [], [], [], []

    def train(model):
        starts.append(weights(model.encoder))
        teachers.append(weights(model.teacher))
        sums.append(model.weight)
        fitted(model, 1)
        ends.append(weights(model.encoder))

    model = keras_ssl.SelfDistilledFurtherPretraining.in_rounds(
        encoder, train, rounds=2, weight=0.5, views=cheap_views(), **SMALL
    )
    assert sums == [0.0, 0.5, 0.5] and model.encoder is encoder
    for first in starts:
        assert all(np.array_equal(a, b) for a, b in zip(start, first, strict=True))
    for number in (1, 2):
        assert all(np.array_equal(a, b) for a, b in zip(ends[number - 1], teachers[number], strict=True))
        assert any(not np.array_equal(a, b) for a, b in zip(ends[number - 1], start, strict=True))


def test_rounds_of_a_linear_model_contract_to_its_start():
    """k gradient steps from the start towards the teacher's outputs: the distance shrinks by `1 - (1 - r s^2)^k` along
    each singular vector of the inputs, in every round."""
    x, start, rate, steps = draws(12, 4), draws(4, 2, seed=1), 0.2, 3
    teacher, first = draws(4, 2, seed=2), draws(4, 2, seed=2) - start
    _, s, v = np.linalg.svd(x.astype("float64"), full_matrices=False)
    shrink = 1.0 - (1.0 - rate * 2.0 * s**2 / (12 * 2)) ** steps
    distances = [np.linalg.norm(first)]
    layer = keras.layers.Dense(2, use_bias=False)
    layer.build((None, 4))
    optimizer = keras.optimizers.SGD(rate)
    for round_number in range(1, 4):
        layer.kernel.assign(start)
        for _ in range(steps):
            _, gradients = value_and_gradients(
                lambda goal=teacher: keras.ops.mean(hidden_distance_loss(layer(x), x @ goal)), layer, [layer.kernel]
            )
            optimizer.apply(gradients, [layer.kernel])
        teacher = keras.ops.convert_to_numpy(layer.kernel)
        expected = v.T @ (shrink[:, None] ** round_number * (v @ first.astype("float64")))
        np.testing.assert_allclose(teacher - start, expected, atol=1e-5)
        distances.append(np.linalg.norm(teacher - start))
    assert all(later < 0.95 * before for before, later in zip(distances, distances[1:], strict=False))


def test_a_file_holds_the_teacher(tmp_path):
    encoder = tiny_vit()
    model = keras_ssl.SelfDistilledFurtherPretraining(encoder, scrambled(encoder), **SMALL, views=cheap_views())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    again.before_first_step()
    assert all(np.array_equal(a, b) for a, b in zip(weights(model.teacher), weights(again.teacher), strict=True))


@pytest.mark.parametrize(
    ("options", "message"), [({"weight": -1.0}, "weight=-1.0"), ({"compare": "all"}, "compare='all'")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model(NAME, **options)


def test_refuses_other_teachers_and_rounds():
    wide = keras_ssl.encoders.ViT("Ti", 4, width=32, depth=2, heads=2, image_size=16, pooling="mean")
    with pytest.raises(ValueError, match="must have the encoder's architecture. Received: teacher='vit_ti4'"):
        tiny_model(NAME, teacher=wide)
    with pytest.raises(ValueError, match="Received: ConvNet"):
        tiny_model(NAME, teacher=keras_ssl.encoders.ConvNet((4,)))
    with pytest.raises(ValueError, match="Received: rounds=-1"):
        keras_ssl.SelfDistilledFurtherPretraining.in_rounds(tiny_vit(), lambda model: None, rounds=-1)
    with pytest.raises(ValueError, match=r"Received: student.shape=\(2, 3\), teacher.shape=\(2, 4\)"):
        hidden_distance_loss(draws(2, 3), draws(2, 4))
