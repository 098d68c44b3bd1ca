"""What SimSiam computes, against a slow reference and limits."""

import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import OBJECTIVES, encoder


class TestSimSiam:
    def test_equals_the_reference(self):
        z1, z2, p1, p2 = (draws(5, 12, seed=seed) for seed in range(4))
        loss, _ = OBJECTIVES["simsiam"]().objective({"z1": z1, "z2": z2, "p1": p1, "p2": p2}, Step.at(1))
        pairs = ((p1, z2), (p2, z1))
        expected = -sum(unit(p)[i] @ unit(z)[i] for p, z in pairs for i in range(5)) / 10
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_perfect_prediction_costs_minus_one(self):
        z1, z2 = draws(5, 12), draws(5, 12, seed=1)
        loss, _ = OBJECTIVES["simsiam"]().objective({"z1": z1, "z2": z2, "p1": 2 * z2, "p2": 3 * z1}, Step.at(1))
        assert value(loss) == pytest.approx(-1.0, rel=1e-6)

    def test_is_an_affine_function_of_byols_with_the_projections_for_the_teachers(self):
        z1, z2, p1, p2 = (draws(5, 12, seed=seed) for seed in range(4))
        mine, _ = OBJECTIVES["simsiam"]().objective({"z1": z1, "z2": z2, "p1": p1, "p2": p2}, Step.at(1))
        byol, _ = OBJECTIVES["byol"]().objective({"t1": z1, "t2": z2, "p1": p1, "p2": p2}, Step.at(1))
        assert value(byol) == pytest.approx(4.0 + 4.0 * value(mine), rel=1e-5)

    def test_norms_are_the_authors(self):
        model = OBJECTIVES["simsiam"]()
        names = [w.name for w in model.projector.trainable_weights]
        assert (names.count("gamma"), names.count("beta"), names.count("bias")) == (2, 2, 0)
        names = [w.name for w in model.predictor.trainable_weights]
        assert (names.count("gamma"), names.count("bias")) == (1, 1)

    def test_widths_must_agree(self):
        with pytest.raises(ValueError, match="Received: projector=.*predictor"):
            keras_ssl.SimSiam(encoder(), (8, 6), (8, 5))
