import numpy as np
import pytest

from keras_ssl.losses import graph_triplet_loss
from tests.losses.reference import cosine, random_views

GROUPS = np.array([0, 1, 0, -1, 2, -1], "int32")


def reference(z1, z2, groups, margin=0.5, negatives=None):
    losses = []
    for i in range(len(z1)):
        rest = [j for j in range(len(z1)) if j != i and (groups[j] != groups[i] or groups[i] < 0)]
        distances = sorted(1 - cosine(z1[i], x) for j in rest for x in (z1[j], z2[j]))[:negatives]
        own = 1 - cosine(z1[i], z2[i])
        losses += [np.mean([max(0.0, own - d + margin) for d in distances])] if distances else []
    return np.mean(losses) if losses else 0.0


@pytest.mark.parametrize("negatives", [None, 1, 3])
@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_equals_the_loops(negatives, margin):
    z1, z2 = random_views((6, 3))
    found = float(graph_triplet_loss(z1.astype("float32"), z2.astype("float32"), GROUPS, margin, negatives))
    assert found == pytest.approx(reference(z1, z2, GROUPS, margin, negatives), rel=1e-5, abs=1e-7)


def test_satisfied_margins_cost_nothing(value_and_gradients):
    z = np.eye(4)
    value, gradients = value_and_gradients(lambda a, b: graph_triplet_loss(a, b, np.arange(4), 0.5), z, z)
    assert value == 0.0 and not np.any(gradients)


def test_the_own_component_is_no_negative(value_and_gradients):
    z1, z2 = random_views((4, 3))
    assert float(graph_triplet_loss(z1, z2, np.full(4, 7))) == 0.0
    # Only the first and the last are of different components: a mate's second view is nobody's negative but the last's.
    groups = np.array([0, 0, 0, 1])
    _, (_, of_z2) = value_and_gradients(lambda a, b: graph_triplet_loss(a, b, groups, 9.0), z1, z2)
    _, (_, alone) = value_and_gradients(lambda a, b: graph_triplet_loss(a, b, np.array([0, 2, 3, 1]), 9.0), z1, z2)
    assert not np.allclose(of_z2[1], alone[1])
    assert float(graph_triplet_loss(z1, z2, groups, 9.0)) == pytest.approx(reference(z1, z2, groups, 9.0), rel=1e-5)


def test_more_negatives_than_there_are_is_all_of_them():
    z1, z2 = random_views((6, 3))
    assert float(graph_triplet_loss(z1, z2, GROUPS, 0.5, 99)) == pytest.approx(
        float(graph_triplet_loss(z1, z2, GROUPS, 0.5)), rel=1e-6
    )


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((6, 3), seed=4)
    for negatives in (None, 2):
        _, gradients = value_and_gradients(lambda a, b, n=negatives: graph_triplet_loss(a, b, GROUPS, 0.5, n), z1, z2)
        expected = finite_differences(lambda a, b, n=negatives: reference(a, b, GROUPS, 0.5, n), z1, z2)
        np.testing.assert_allclose(gradients, expected, atol=tolerance)


def test_zero_rows_have_finite_gradients(value_and_gradients):
    zero = np.zeros((6, 3))
    value, gradients = value_and_gradients(lambda a, b: graph_triplet_loss(a, b, GROUPS), zero, zero)
    # All cosines are 0: each negative costs the margin.
    assert value == pytest.approx(0.5) and np.isfinite(gradients).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": np.nan}, "Received: margin=nan"),
        ({"negatives": 0}, "Received: negatives=0"),
        ({"components": GROUPS[:2]}, r"Received: components.shape=\(2,\)"),
        ({"components": GROUPS * 0.5}, "Received: components.dtype=float"),
        ({"z2": np.ones((6, 2))}, "Received: shapes"),
    ],
)
def test_errors(options, message):
    z1, z2 = random_views((6, 3))
    with pytest.raises(ValueError, match=message):
        graph_triplet_loss(**{"z1": z1, "z2": z2, "components": GROUPS, **options})
