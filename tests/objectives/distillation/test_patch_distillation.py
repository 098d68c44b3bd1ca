"""Dense distillation: distances by loops, interpolation of grids, students and teachers with places."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.encoders import ViT
from keras_ssl.encoders.feature_map import feature_grid, feature_map
from keras_ssl.objectives.distillation.inner_encoder import inner_encoder
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
S, T = draws(3, 4, 5), draws(3, 4, 5, seed=1)


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def slow(student, teacher, distance):
    values = []
    for s_rows, t_rows in zip(student.astype("float64"), teacher.astype("float64"), strict=True):
        found = []
        for s, t in zip(s_rows, t_rows, strict=True):
            if distance == "cosine":
                found.append(1 - s @ t / np.linalg.norm(s) / np.linalg.norm(t))
            else:
                found.append(np.mean((s - t) ** 2))
        values.append(np.mean(found))
    return np.asarray(values)


@pytest.mark.parametrize("distance", ["cosine", "squared"])
class TestLoss:
    def test_equals_the_reference_in_every_form(self, distance):
        expected = slow(S, T, distance)
        np.testing.assert_allclose(
            numbers(losses.feature_distillation_loss(S, T, distance)), expected, rtol=1e-4, atol=1e-6
        )
        maps = [x.reshape(3, 2, 2, 5) for x in (S, T)]
        np.testing.assert_allclose(numbers(losses.feature_distillation_loss(*maps, distance)), expected, rtol=1e-4)
        flat = numbers(losses.feature_distillation_loss(S[:, 0], T[:, 0], distance))
        np.testing.assert_allclose(flat, slow(S[:, :1], T[:, :1], distance), rtol=1e-4)

    def test_equal_features_cost_nothing_and_the_teacher_has_no_gradient(self, distance):
        np.testing.assert_allclose(numbers(losses.feature_distillation_loss(S, S, distance)), 0.0, atol=1e-6)

        def loss(student, teacher):
            return keras.ops.sum(losses.feature_distillation_loss(student, teacher, distance))

        _, (of_student, of_teacher) = differentiate(loss, S, T)
        assert np.any(of_student) and not np.any(of_teacher)

    def test_the_order_of_samples_and_of_places_changes_nothing(self, distance):
        rows, places = np.array([2, 0, 1]), np.array([3, 1, 0, 2])
        base = numbers(losses.feature_distillation_loss(S, T, distance))
        moved = numbers(losses.feature_distillation_loss(S[rows][:, places], T[rows][:, places], distance))
        np.testing.assert_allclose(moved, base[rows], rtol=1e-5)


def test_the_loss_refuses():
    with pytest.raises(ValueError, match="Received: distance='l1'"):
        losses.feature_distillation_loss(S, T, "l1")
    with pytest.raises(ValueError, match=r"Received: shapes \(3, 4, 5\) and \(3, 4, 4\)"):
        losses.feature_distillation_loss(S, T[..., :4])


def slow_resize(places, grid, new_grid):
    """Point by point."""
    n, _, d = places.shape
    image = places.reshape(n, *grid, d).astype("float64")
    made = np.zeros((n, *new_grid, d))
    for row in range(new_grid[0]):
        for column in range(new_grid[1]):
            at = [
                min(max((k + 0.5) * old / new - 0.5, 0.0), old - 1.0)
                for k, old, new in zip((row, column), grid, new_grid, strict=True)
            ]
            low = [int(np.floor(a)) for a in at]
            high = [min(k + 1, old - 1) for k, old in zip(low, grid, strict=True)]
            a, b = at[0] - low[0], at[1] - low[1]
            made[:, row, column] = (
                (1 - a) * (1 - b) * image[:, low[0], low[1]]
                + (1 - a) * b * image[:, low[0], high[1]]
                + a * (1 - b) * image[:, high[0], low[1]]
                + a * b * image[:, high[0], high[1]]
            )
    return made.reshape(n, -1, d)


@pytest.mark.parametrize(("grid", "new_grid"), [((2, 3), (4, 5)), ((4, 5), (2, 3)), ((3, 3), (1, 6)), ((1, 1), (2, 2))])
def test_grids_are_interpolated_between_the_middles(grid, new_grid):
    places = draws(2, grid[0] * grid[1], 3)
    found = numbers(losses.resize_grid(places, grid, new_grid))
    np.testing.assert_allclose(found, slow_resize(places, grid, new_grid), rtol=1e-4, atol=1e-6)
    constant = numbers(losses.resize_grid(np.ones_like(places), grid, new_grid))
    np.testing.assert_allclose(constant, 1.0, rtol=1e-6)


def test_a_grid_of_the_same_size_is_the_same_and_bad_grids_are_refused():
    places = draws(2, 6, 3)
    np.testing.assert_array_equal(numbers(losses.resize_grid(places, (2, 3), (2, 3))), places)
    with pytest.raises(ValueError, match=r"Received: places.shape=\(2, 6, 3\), grid=\(2, 2\)"):
        losses.resize_grid(places, (2, 2), (1, 1))
    with pytest.raises(ValueError, match="Received: new_grid=0"):
        losses.resize_grid(places, (2, 3), (0, 1))


def test_the_grid_of_an_encoder_is_that_of_its_places():
    for encoder in (tiny_encoder(), tiny_vit()):
        places, _ = feature_map(encoder, "X")(keras.ops.zeros((1, 16, 16, 3)))
        rows, columns = feature_grid(encoder, (None, 16, 16, 3), "X")
        assert rows * columns == places.shape[1]
    assert feature_grid(tiny_encoder(), (None, 16, 24, 3), "X") == (8, 12)
    with pytest.raises(ValueError, match="must be known"):
        feature_grid(tiny_encoder(), (None, None, None, 3), "X")


def test_the_encoder_inside_a_loaded_model_gives_its_features():
    model = keras_ssl.load("barlow_digits")
    prepare, encoder = inner_encoder(model)
    images = (IMAGES / 255.0).astype("float32")
    np.testing.assert_allclose(numbers(encoder(prepare(images))), numbers(model(images)), rtol=1e-5, atol=1e-5)
    plain = tiny_encoder()
    assert inner_encoder(plain)[1] is plain


def made(model):
    return engine.embed(model, {"x": keras.ops.convert_to_tensor(IMAGES)}, Step.at(8))


def test_the_loss_is_that_of_projected_places():
    model = tiny_model("PatchDistillation", pooled_weight=0.3)
    z = made(model)
    assert z["student"].shape == z["teacher"].shape
    found = engine.reduce(model, z, Step.at(8))
    student, teacher = numbers(z["student"]), numbers(z["teacher"])
    places = slow(student, teacher, "cosine").mean()
    pooled = slow(student.mean(axis=1, keepdims=True), teacher.mean(axis=1, keepdims=True), "cosine").mean()
    assert value(found.loss) == pytest.approx(places + 0.3 * pooled, rel=1e-4)


def test_a_student_that_is_its_teacher_has_no_loss():
    encoder = tiny_encoder()
    model = keras_ssl.PatchDistillation(
        encoder, keras.models.clone_model(encoder), views=cheap_views(), preprocessing=None, distance="squared"
    )
    model.teacher._reference.model.set_weights(encoder.get_weights())
    width = model.teacher.width
    model.projector.set_weights([np.eye(width, dtype="float32"), np.zeros(width, "float32")])
    images = keras.ops.convert_to_tensor((IMAGES / 255.0).astype("float32"))  # the scale of the teacher's
    z = engine.embed(model, {"x": images}, Step.at(8, training=False))
    found = engine.reduce(model, z, Step.at(8, training=False))
    assert value(found.loss) == pytest.approx(0.0, abs=1e-8)


def u_net_part(width=6):
    images = keras.Input((16, 16, 3))
    return keras.Model(images, keras.layers.Conv2D(width, 4, strides=4)(images))


@pytest.mark.parametrize("make_student", [tiny_encoder, tiny_vit])
@pytest.mark.parametrize(
    "make_teacher",
    [u_net_part, tiny_encoder, lambda: ViT("Ti", patch_size=8, width=16, depth=1, heads=2, image_size=16)],
)
def test_students_and_teachers_of_all_kinds_learn(make_student, make_teacher):
    model = keras_ssl.PatchDistillation(make_student(), make_teacher(), views=cheap_views())
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    history = model.fit(IMAGES, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]
    with pytest.raises(ValueError, match="cannot be saved"):
        model.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "l1"}, "Received: distance='l1'"),
        ({"pooled_weight": -1.0}, "Received: pooled_weight=-1.0"),
        ({"teacher": 3}, "Received: 3"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_model("PatchDistillation", **options)


def test_refuses_encoders_without_a_map():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="GlobalAveragePooling2D"):
        keras_ssl.PatchDistillation(flat, tiny_encoder(), views=cheap_views())
    with pytest.raises(ValueError, match="the teacher of PatchDistillation"):
        keras_ssl.PatchDistillation(tiny_encoder(), flat, views=cheap_views())
