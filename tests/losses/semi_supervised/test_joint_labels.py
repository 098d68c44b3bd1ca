"""Joint labels of class and transformation, and the aggregation of their logits."""

import numpy as np
import pytest

from keras_ssl.losses import aggregate_joint_logits, joint_labels, split_joint_labels
from tests.objectives.reference import draws


@pytest.mark.parametrize("count", [1, 4, 6])
def test_round_trip(count):
    classes, transforms = (part.ravel() for part in np.meshgrid(np.arange(5), np.arange(count)))
    joint = np.asarray(joint_labels(classes, transforms, count))
    assert sorted(joint.tolist()) == list(range(5 * count))
    np.testing.assert_array_equal(joint, classes * count + transforms)
    again = split_joint_labels(joint, count)
    np.testing.assert_array_equal(np.asarray(again[0]), classes)
    np.testing.assert_array_equal(np.asarray(again[1]), transforms)
    assert int(joint_labels(np.array([-1]), np.array([0]), count)[0]) == -1


def test_aggregation_is_the_mean_of_the_aligned_logits():
    logits = draws(3, 4, 5 * 4)
    expected = [[np.mean([row[j, y * 4 + j] for j in range(4)]) for y in range(5)] for row in logits.astype("float64")]
    np.testing.assert_allclose(aggregate_joint_logits(logits), expected, rtol=1e-5, atol=1e-6)


def test_logits_that_know_no_transformation_stay_as_they_are():
    single = draws(3, 5)
    joint = np.repeat(single[:, None, :], 4, axis=1)[..., None] * np.ones(4, "float32")
    np.testing.assert_allclose(aggregate_joint_logits(joint.reshape(3, 4, 20)), single, rtol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="Received: count=0"):
        joint_labels(np.array([0]), np.array([0]), 0)
    with pytest.raises(ValueError, match="Received: count=1.5"):
        split_joint_labels(np.array([0]), 1.5)
    with pytest.raises(ValueError, match=r"Received: logits.shape=\(3, 4, 18\)"):
        aggregate_joint_logits(draws(3, 4, 18))
