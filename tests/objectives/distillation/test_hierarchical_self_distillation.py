"""Training of all exits of a transformer: the limit that is SimCLR, the parts of the loss, where gradients go."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.encoders import ViT
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, unit, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def vit():
    return ViT("Ti", patch_size=4, width=16, depth=3, heads=2, image_size=16, pooling="mean")


def slow_divergence(s1, s2, t1, t2, temperature):
    values = []
    s1, s2, t1, t2 = (unit(x.astype("float64")) for x in (s1, s2, t1, t2))
    for s, t in zip(s1, t1, strict=True):
        p, q = (np.exp([a @ b / temperature for b in keys]) for a, keys in ((t, t2), (s, s2)))
        p, q = p / p.sum(), q / q.sum()
        values.append(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True)))
    return np.asarray(values)


class TestCrossSimilarity:
    Z = draws(5, 4), draws(5, 4, seed=1), draws(5, 6, seed=2), draws(5, 6, seed=3)

    def test_equals_the_reference(self):
        found = numbers(losses.cross_similarity_loss(*self.Z, 0.3))
        np.testing.assert_allclose(found, slow_divergence(*self.Z, 0.3), rtol=1e-4)

    def test_a_student_that_is_its_teacher_up_to_rotation_has_neither_loss_nor_gradient(self):
        turn = np.linalg.qr(draws(4, 4, seed=5))[0].astype("float32")
        teacher = 3 * self.Z[0] @ turn, 0.5 * self.Z[1] @ turn

        def loss(*z):
            return keras.ops.sum(losses.cross_similarity_loss(*z, 0.5))

        found, gradients = differentiate(loss, self.Z[0], self.Z[1], *teacher)
        assert found == pytest.approx(0.0, abs=1e-5)
        for gradient in gradients:
            np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
        _, gradients = differentiate(loss, *self.Z)
        assert [bool(np.any(gradient)) for gradient in gradients] == [True, True, False, False]

    def test_refuses(self):
        with pytest.raises(ValueError, match="Received: temperature=0"):
            losses.cross_similarity_loss(*self.Z, 0)
        with pytest.raises(ValueError, match="as many rows"):
            losses.cross_similarity_loss(self.Z[0], self.Z[1], self.Z[2][:4], self.Z[3][:4])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_with_the_last_exit_alone_it_is_simclr(batch_norm):
    histories, weights = [], []
    for name, options in (("SimCLR", {}), ("HierarchicalSelfDistillation", {"exits": (3,)})):
        keras.utils.set_random_seed(0)
        model = getattr(keras_ssl, name)(
            vit(), projector=(24, 12), batch_norm=batch_norm, views=cheap_views(), seed=3, **options
        )
        model.compile(keras.optimizers.SGD(0.05), jit_compile=False)
        histories.append(model.fit(IMAGES, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"])
        weights.append(model.encoder.get_weights())
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)
    for mine, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_objective_equals_its_parts():
    model = keras_ssl.HierarchicalSelfDistillation(
        vit(), (1, 2, 3), guide_weight=0.5, projector=(24, 4), temperature=0.4, views=cheap_views()
    )
    z = {f"{name}{k}": draws(5, 4, seed=10 * k + p) for k in (1, 2, 3) for p, name in enumerate(("first", "second"))}
    loss, logs = model.objective({key: keras.ops.convert_to_tensor(array) for key, array in z.items()}, Step.at(5))
    expected = guided = 0.0
    for k in (1, 2, 3):
        pair = z[f"first{k}"], z[f"second{k}"]
        one = value(losses.nt_xent_loss(*pair, 0.4))
        assert value(logs[f"exit{k}"]) == pytest.approx(one, rel=1e-6)
        expected += k / 3 * one
        if k < 3:
            guided += k / 3 * slow_divergence(*pair, z["first3"], z["second3"], 0.4).mean()
    assert value(logs["guided"]) == pytest.approx(guided, rel=1e-4)
    assert value(loss) == pytest.approx(expected + 0.5 * guided, rel=1e-4)


def test_the_divergence_teaches_the_lower_exits_only():
    model = keras_ssl.HierarchicalSelfDistillation(vit(), (1, 3), projector=(24, 4), views=cheap_views())

    def guided(first, second, top_first, top_second):
        z = {"first1": first, "second1": second, "first2": top_first, "second2": top_second}
        return model.objective(z, Step.at(5))[1]["guided"]

    arrays = [draws(5, 4, seed=seed) for seed in range(4)]
    _, gradients = differentiate(guided, *arrays, dtype="float32")
    assert [bool(np.any(gradient)) for gradient in gradients] == [True, True, False, False]


def test_embeddings_are_those_of_the_exits_behind_one_head():
    model = tiny_model("HierarchicalSelfDistillation")
    batch = {"x": keras.ops.convert_to_tensor(IMAGES)}
    step = Step.at(8, training=False)
    z = engine.embed(model, batch, step)
    assert next(iter(z)) == "first2" and set(z) == {"first1", "second1", "first2", "second2"}
    first, second = model.used_views(batch, step)
    early = model.multi_exit.truncated(1)
    model.exit_embedding.assign(draws(1, 16))
    z = engine.embed(model, batch, step)
    vector = numbers(model.exit_embedding)[0].astype("float32")
    for name, view in (("first1", first), ("second1", second)):
        expected = numbers(model.projector(early(view) + vector))
        np.testing.assert_allclose(numbers(z[name]), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        numbers(z["first2"]), numbers(model.projector(model.encoder(first))), rtol=1e-3, atol=1e-4
    )


def test_batch_norm_has_no_vectors_of_exits():
    model = tiny_model("HierarchicalSelfDistillation", batch_norm=True)
    assert model.exit_embedding is None
    z = engine.embed(model, {"x": keras.ops.convert_to_tensor(IMAGES)}, Step.at(8))
    assert z["first1"].shape == (8, 12)


def test_refuses():
    with pytest.raises(ValueError, match="TokenEncoder"):
        keras_ssl.HierarchicalSelfDistillation(tiny_encoder(), views=cheap_views())
    with pytest.raises(ValueError, match="Received: exits="):
        tiny_model("HierarchicalSelfDistillation", exits=(1,))
    with pytest.raises(ValueError, match="Received: guide_weight=-1"):
        tiny_model("HierarchicalSelfDistillation", guide_weight=-1)
