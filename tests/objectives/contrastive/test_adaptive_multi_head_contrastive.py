"""What adaptive multi-head contrastive learning computes, against the objectives that it wraps."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import barlow_twins_loss, info_nce_loss, nt_xent_loss
from keras_ssl.testing import check_objective
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder

Z = {"z1": draws(5, 12), "z2": draws(5, 12, seed=1)}


def model(base, **options):
    options = {"projector": (4,), "heads": 3, "queue_size": 16, "views": cheap_views(), **options}
    return keras_ssl.AdaptiveMultiHeadContrastive(encoder(), base=base, **options)


def heads(z):
    return np.split(z, 3, axis=1)


class TestAdaptiveMultiHeadContrastive:
    def test_a_constant_temperature_is_the_sum_over_heads_of_simclr(self):
        loss, _ = model("simclr", temperature=0.3, penalty_weight=0.0).objective(Z, Step.at(1))
        expected = sum(value(nt_xent_loss(a, b, 0.3)) for a, b in zip(heads(Z["z1"]), heads(Z["z2"]), strict=True))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_a_constant_temperature_is_the_sum_over_heads_of_moco(self):
        made = model("moco", temperature=0.3, penalty_weight=0.0)
        queue = np.array(keras.ops.convert_to_numpy(made.queue.contents))
        pairs = zip(heads(Z["z1"]), heads(Z["z2"]), heads(queue), strict=True)
        expected = sum(value(info_nce_loss(a, b, 0.3, q)) for a, b, q in pairs)
        assert value(made.objective(Z, Step.at(1))[0]) == pytest.approx(expected, rel=1e-5)

    def test_temperature_one_is_the_sum_over_heads_of_barlow_twins(self):
        loss, _ = model("barlow_twins", temperature=1.0, penalty_weight=0.0, redundancy_weight=0.3).objective(
            Z, Step.at(1)
        )
        expected = sum(value(barlow_twins_loss(a, b, 0.3)) for a, b in zip(heads(Z["z1"]), heads(Z["z2"]), strict=True))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("hardest", [None, 3])
    def test_adaptive_temperatures_equal_the_reference(self, hardest):
        made = model("simclr", temperature_range=(0.2, 1.5), penalty_weight=0.05, hardest=hardest)
        total = 0.0
        for a, b in zip(heads(Z["z1"]), heads(Z["z2"]), strict=True):
            z = unit(np.concatenate([a, b]).astype("float64"))
            phi = keras.ops.convert_to_numpy(made.phi(z.astype("float32"))).astype("float64")
            t = 0.2 + 1.3 / (1 + np.exp(phi @ phi.T))
            logits = z @ z.T / t - 0.05 * (2.0 * np.log(t) + 1 / t)
            for i in range(10):
                positive = (i + 5) % 10
                negatives = [j for j in range(10) if j not in (i, positive)]
                total -= logits[i, positive] / 10
                if hardest is None:
                    total += np.logaddexp.reduce(np.delete(logits[i], i)) / 10
                else:
                    nearest = sorted(negatives, key=lambda j, i=i: -(z[i] @ z[j]))[:3]
                    total += np.mean(logits[i, nearest]) / 10
        loss, logs = made.objective(Z, Step.at(1))
        assert value(loss) == pytest.approx(total, rel=1e-4)
        assert 0.2 < value(logs["temperature"]) < 1.5

    @pytest.mark.parametrize("base", ["simclr", "barlow_twins"])
    def test_the_order_of_the_heads_does_not_matter(self, base):
        made = model(base, temperature_range=(0.2, 1.5))
        swapped = {name: np.concatenate(heads(z)[::-1], axis=1) for name, z in Z.items()}
        assert value(made.objective(swapped, Step.at(1))[0]) == pytest.approx(
            value(made.objective(Z, Step.at(1))[0]), rel=1e-5
        )

    def test_the_queue_holds_the_keys_of_every_head(self):
        made = model("moco")
        made.compile("sgd", run_eagerly=EAGERLY)
        made.after_step(Z, keras.ops.convert_to_tensor(True), Step.at(1))
        newest = np.array(keras.ops.convert_to_numpy(made.queue.contents))[:5]
        for part, z in zip(heads(newest), heads(Z["z2"]), strict=True):
            np.testing.assert_allclose(part, unit(z), atol=1e-6)

    @pytest.mark.long
    @pytest.mark.parametrize("base", ["moco", "barlow_twins"])
    def test_the_other_bases_keep_the_contracts_too(self, base):
        here = ("config", "file", "gradient", "resume", "collapse")
        check_objective(lambda: model(base, temperature_range=(0.2, 1.0)), checks=here)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"base": "byol"}, "base.*Received: base='byol'"),
            ({"heads": 0}, "heads.*Received: heads=0"),
            ({"temperature": -1.0}, "temperature.*Received: temperature=-1.0"),
            ({"temperature_range": (0.5, 0.1)}, "temperature_range.*Received: temperature_range="),
            ({"penalty_weight": -1}, "penalty_weight.*Received: penalty_weight=-1"),
            ({"hardest": 0}, "hardest.*Received: hardest=0"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            model(**{"base": "simclr", **options})

    def test_more_hardest_negatives_than_there_are_is_refused_by_fit(self):
        made = model("simclr", hardest=20)
        made.compile("sgd", run_eagerly=EAGERLY)
        with pytest.raises(ValueError, match="hardest=20, 14 negatives"):
            made.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)
