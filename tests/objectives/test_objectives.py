"""What each objective computes, against slow references, closed forms, and the limits in which one equals another."""

import keras
import numpy as np
import pytest

import keras_ssl
from tests.objectives.tiny import OBJECTIVES, cheap_views, encoder


def draws(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def value(loss):
    return float(keras.ops.convert_to_numpy(loss))


def slow_info_nce(queries, keys, temperature, queue=None):
    """Loop by loop, in float64."""
    queries, keys = unit(queries.astype("float64")), unit(keys.astype("float64"))
    total = 0.0
    for row, query in enumerate(queries):
        positive = query @ keys[row] / temperature
        rivals = [positive] + [query @ negative / temperature for negative in queue] if queue is not None else []
        if queue is None:
            rivals = [query @ key / temperature for key in keys]
        total += np.log(np.sum(np.exp(rivals))) - positive
    return total / len(queries)


class TestBarlowTwins:
    def slow(self, z1, z2, weight):
        z1, z2 = z1.astype("float64"), z2.astype("float64")
        a = (z1 - z1.mean(0)) / np.sqrt(z1.var(0) + 1e-5)
        b = (z2 - z2.mean(0)) / np.sqrt(z2.var(0) + 1e-5)
        total = 0.0
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                c = np.mean(a[:, i] * b[:, j])
                total += (1 - c) ** 2 if i == j else weight * c**2
        return total

    def test_equals_the_reference(self):
        model = keras_ssl.BarlowTwins(encoder(), projector=(6,), redundancy_weight=0.3, scale=0.5)
        z1, z2 = draws(16, 6), draws(16, 6, seed=1)
        loss, logs = model.objective({"z1": z1, "z2": z2})
        assert value(loss) == pytest.approx(0.5 * self.slow(z1, z2, 0.3), rel=1e-5)
        assert value(loss) == pytest.approx(0.5 * value(logs["invariance"] + 0.3 * logs["redundancy"]), rel=1e-6)

    def test_views_pass_the_encoder_separately(self):
        """Each view with its own batch statistics: one batch of both would make equal views' twins differ."""
        model = keras_ssl.BarlowTwins(encoder(), projector=(6,))
        images = np.random.RandomState(0).rand(8, 8, 8, 3).astype("float32")
        batch = {"x": (images, 0.25 * images), "seed": 0, "step": 0, "position": np.arange(8)}
        embeddings = model.embed(batch, training=True)
        alone = model.embed({**batch, "x": (images, images)}, training=True)
        np.testing.assert_allclose(*(keras.ops.convert_to_numpy(e["z1"]) for e in (embeddings, alone)), atol=1e-5)

    @pytest.mark.parametrize(("name", "bad"), [("redundancy_weight", -1.0), ("scale", 0.0)])
    def test_errors(self, name, bad):
        with pytest.raises(ValueError, match=f"{name}.*Received: {name}={bad}"):
            keras_ssl.BarlowTwins(encoder(), projector=(6,), **{name: bad})


class TestSimCLR:
    def test_equals_the_reference(self):
        model = keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0.3)
        z1, z2 = draws(7, 6), draws(7, 6, seed=1)
        z = unit(np.concatenate([z1, z2]).astype("float64"))
        total = 0.0
        for i in range(14):
            rivals = sum(np.exp(z[i] @ z[j] / 0.3) for j in range(14) if j != i)
            total += np.log(rivals) - z[i] @ z[(i + 7) % 14] / 0.3
        assert value(model.objective({"z1": z1, "z2": z2})[0]) == pytest.approx(total / 14, rel=1e-5)

    def test_the_last_batch_norm_scales_but_does_not_shift(self):
        names = [w.name for w in keras_ssl.SimCLR(encoder(), projector=(6, 4)).projector.trainable_weights]
        assert names.count("gamma") == 2 and names.count("beta") == 1

    def test_temperature(self):
        with pytest.raises(ValueError, match="temperature.*Received: temperature=0"):
            keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0)


class TestBYOL:
    def model(self, **options):
        return keras_ssl.BYOL(encoder(), projector=(8, 6), predictor=(8, 6), views=cheap_views(), **options)

    def test_equals_the_reference(self):
        p1, p2, t1, t2 = (draws(5, 6, seed=seed) for seed in range(4))
        loss, _ = self.model().objective({"p1": p1, "p2": p2, "t1": t1, "t2": t2})
        expected = sum(np.mean(np.sum((unit(p) - unit(t)) ** 2, axis=1)) for p, t in ((p1, t2), (p2, t1)))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_perfect_prediction_is_zero_and_opposite_is_eight(self):
        t1, t2 = draws(5, 6), draws(5, 6, seed=1)
        model = self.model()
        assert value(model.objective({"p1": t2, "p2": t1, "t1": t1, "t2": t2})[0]) == pytest.approx(0, abs=1e-5)
        assert value(model.objective({"p1": -t2, "p2": -t1, "t1": t1, "t2": t2})[0]) == pytest.approx(8, rel=1e-5)

    def test_teacher_with_momentum_zero_is_the_student(self):
        model = self.model(momentum=0.0, final_momentum=0.0)
        model.compile(keras.optimizers.SGD(0.1))
        model.fit(np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8"), batch_size=8, verbose=0)
        mine = [w for module in model.teacher.modules for w in module.weights if "moving" not in w.name]
        student = [w for module in (model.encoder, model.projector) for w in module.trainable_weights]
        for a, b in zip(mine, student, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-7)

    def test_momentum_follows_the_cosine(self):
        model = self.model(momentum=0.8)
        model.compile("sgd")
        x = np.random.RandomState(0).randint(0, 256, (16, 8, 8, 3)).astype("uint8")
        seen = model.fit(x, batch_size=16, epochs=4, verbose=0).history["momentum"]
        np.testing.assert_allclose(seen, [1 - 0.2 * (np.cos(np.pi * k / 4) + 1) / 2 for k in range(4)], rtol=1e-5)

    def test_widths_must_agree(self):
        with pytest.raises(ValueError, match="Received: projector=.*predictor"):
            keras_ssl.BYOL(encoder(), projector=(8, 6), predictor=(8, 5))


class TestMoCo:
    def test_version_2_equals_the_reference(self):
        model = keras_ssl.MoCo(encoder(), projector=(6,), queue_size=9, temperature=0.3)
        queue = keras.ops.convert_to_numpy(model.queue.contents).astype("float64")
        q, k = draws(5, 6), draws(5, 6, seed=1)
        loss = value(model.objective({"q1": q, "k2": k})[0])
        assert loss == pytest.approx(slow_info_nce(q, k, 0.3, queue), rel=1e-5)

    def test_version_3_equals_the_reference(self):
        model = keras_ssl.MoCo(encoder(), version=3, projector=(6,), predictor=(6,), temperature=0.3)
        q1, q2, k1, k2 = (draws(5, 6, seed=seed) for seed in range(4))
        loss = value(model.objective({"q1": q1, "q2": q2, "k1": k1, "k2": k2})[0])
        assert loss == pytest.approx(0.6 * (slow_info_nce(q1, k2, 0.3) + slow_info_nce(q2, k1, 0.3)), rel=1e-5)

    def test_queue_holds_the_teachers_keys_newest_first(self):
        model = OBJECTIVES["MoCo-v2"]()
        model.compile("sgd")
        before = keras.ops.convert_to_numpy(model.queue.contents).copy()
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        model.fit(x, batch_size=8, verbose=0)
        after = keras.ops.convert_to_numpy(model.queue.contents)
        np.testing.assert_array_equal(after[8:], before[:-8])
        np.testing.assert_allclose(np.linalg.norm(after[:8], axis=1), 1.0, rtol=1e-5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"version": 1}, "version=1"),
            ({"version": 2, "predictor": (4,)}, "predictor"),
            ({"version": 3, "queue_size": 64}, "queue_size=64"),
            ({"momentum": 1.5}, "momentum=1.5"),
            ({"temperature": -1}, "temperature=-1"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            keras_ssl.MoCo(
                encoder(), projector=(6,), **{"queue_size": 0 if options.get("version") == 3 else 8, **options}
            )

    def test_a_queue_smaller_than_the_batch_is_refused(self):
        model = keras_ssl.MoCo(encoder(), projector=(6,), queue_size=4, views=cheap_views())
        model.compile("sgd")
        with pytest.raises(ValueError, match="size=4"):
            model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_config_names_every_argument(name):
    model = OBJECTIVES[name]()
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
