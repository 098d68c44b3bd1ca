"""What Mixed Barlow Twins computes, against a slow reference and its limits."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.losses.test_mixed_barlow_twins_loss import reference
from tests.objectives.reference import value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")


def step():
    return Step.at(8, seed=3, index=5)


def numpy(tensors):
    return {name: np.asarray(keras.ops.convert_to_numpy(tensor)) for name, tensor in tensors.items()}


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    compiled = tf.function(function)
    return lambda number: compiled(tf.constant(number))


def model(**options):
    return keras_ssl.MixedBarlowTwins(
        encoder(), projector=(6,), redundancy_weight=0.3, views=cheap_views(), seed=3, **options
    )


class TestMixedBarlowTwins:
    batch = {"x": IMAGES}

    @pytest.mark.slow
    def test_equals_the_reference(self):
        made = model(scale=0.5, mix_weight=4.0)
        z = numpy(made.embed(self.batch, step()))
        loss, logs = made.objective({name: keras.ops.convert_to_tensor(v) for name, v in z.items()}, step())
        plain, _ = keras_ssl.BarlowTwins.objective(made, {"z1": z["z1"], "z2": z["z2"]}, Step.at(1))
        m, z1, z2 = (z[name].astype("float64") for name in ("m", "z1", "z2"))
        mix = reference(m, z1, z2, numpy({"order": step().order(8)})["order"], value(made._coefficient(step())[0]))
        assert value(logs["mix"]) == pytest.approx(mix, rel=1e-4)
        assert value(loss) == pytest.approx(value(plain) + 0.5 * 4.0 * 0.3 * mix, rel=1e-4)

    def test_the_partners_are_a_permutation_and_those_that_are_mixed_in(self):
        made = model()
        z = numpy(made.embed(self.batch, step()))
        partner, a = numpy({"order": step().order(8)})["order"], value(made._coefficient(step())[0])
        assert sorted(partner) == list(range(8)) and 0 <= a < 1
        x1, x2 = (np.asarray(v) for v in made.used_views(self.batch, step()))
        mixed = a * x1 + (1 - a) * x2[partner]
        expected = made.projector(made.encoder(mixed, training=True), training=True)
        np.testing.assert_allclose(z["m"], keras.ops.convert_to_numpy(expected), atol=1e-4)

    @pytest.mark.parametrize(("concentration", "variance"), [(1, 1 / 12), (2, 1 / 20), (4, 1 / 36)])
    def test_the_coefficient_follows_the_beta_distribution(self, concentration, variance):
        made = model(concentration=concentration)
        draw = compiled(lambda index: made._coefficient(replace(step(), index=index))[0])
        draws = [value(draw(index)) for index in np.arange(400, dtype="int32")]
        assert np.mean(draws) == pytest.approx(0.5, abs=0.05)
        assert np.var(draws) == pytest.approx(variance, rel=0.25)

    @pytest.mark.slow
    def test_weight_zero_is_barlow_twins_to_the_bit(self):
        made = model(mix_weight=0.0)
        plain = keras_ssl.BarlowTwins(encoder(), projector=(6,), redundancy_weight=0.3, views=cheap_views(), seed=3)
        plain.set_weights(made.get_weights())
        histories = []
        for each in (made, plain):
            each.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
            histories.append(each.fit(IMAGES, batch_size=4, epochs=2, verbose=0).history)
        assert histories[0] == histories[1]
        for a, b in zip(made.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_what_the_regularizer_costs_at_chance(self):
        made = model(mix_weight=0.5, concentration=2)
        plain = keras_ssl.BarlowTwins(encoder(), projector=(6,), redundancy_weight=0.3, views=cheap_views())
        square = 3 / 10  # E a^2 of Beta(2, 2)
        mix = 2 * 6**2 * (1 + 2 * square) / 8 + 6 * square
        expected, base = made.expected_range(8), plain.expected_range(8)
        assert expected.initial - base.initial == pytest.approx(0.5 * 0.3 * mix * made.scale)
        assert expected.collapsed == base.collapsed and expected.floor == base.floor

    @pytest.mark.parametrize(("name", "bad"), [("mix_weight", -1.0), ("concentration", 0), ("concentration", 0.5)])
    def test_errors(self, name, bad):
        with pytest.raises(ValueError, match=f"{name}.*Received: {name}={bad}"):
            model(**{name: bad})
