import keras
import numpy as np
import pytest

from keras_ssl.layers.online_clusters import OnlineClusters


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def two_groups(n=12):
    """Rows around two opposite directions, by turns."""
    rng = np.random.default_rng(0)
    direction = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)[:, None]
    return unit(direction * np.array([[1.0, 0.0, 0.0]]) + 0.1 * rng.normal(size=(n, 3))).astype("float32")


def labels(clusters):
    return keras.ops.convert_to_numpy(clusters.labels).copy()


def centroids(clusters):
    return keras.ops.convert_to_numpy(clusters.centroids).copy()


@pytest.mark.slow
def test_separated_groups_are_found_and_centroids_are_their_means():
    clusters, rows = OnlineClusters(12, 2, 3), two_groups()
    order = np.array([0.1, 0.9, 0.2, 0.8], "float32")  # the first and the third sample are taken: one group
    for start in (0, 4, 8, 0, 4, 8):
        seen = np.where(np.arange(12)[:, None] < start + 4, rows, 0.0).astype("float32")
        clusters.update(seen, np.arange(start, start + 4), order)
    clusters.update(rows, np.arange(12), np.arange(12, dtype="float32") / 12)
    found = labels(clusters)
    assert len(set(found)) == 2 and set(found[::2]).isdisjoint(found[1::2])
    for number in (0, 1):
        np.testing.assert_allclose(centroids(clusters)[number], unit(rows[found == number].sum(0)), atol=1e-5)


def test_empty_clusters_take_samples_of_the_batch_in_the_order_of_the_draws():
    clusters, rows = OnlineClusters(4, 3, 4), np.eye(4, dtype="float32")
    clusters.update(rows, np.array([0, 1, 2]), np.array([0.5, 0.9, 0.1], "float32"))
    np.testing.assert_array_equal(labels(clusters), [1, 2, 0, -1])
    np.testing.assert_allclose(centroids(clusters), rows[[2, 0, 1]])


def test_more_empty_clusters_than_samples():
    clusters, rows = OnlineClusters(4, 4, 4), np.eye(4, dtype="float32")
    clusters.update(rows, np.array([3, 1]), np.array([0.1, 0.9], "float32"))
    np.testing.assert_array_equal(labels(clusters), [-1, 1, -1, 0])
    np.testing.assert_array_equal(centroids(clusters)[2:], 0.0)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stands_still_where_the_step_did_not_update(as_tensor):
    clusters, rows = OnlineClusters(4, 3, 4), np.eye(4, dtype="float32")
    clusters.update(rows, np.array([0, 1]), np.array([0.1, 0.9], "float32"))
    before = labels(clusters), centroids(clusters)
    no = keras.ops.convert_to_tensor(False) if as_tensor else False
    clusters.update(rows, np.array([2, 3]), np.array([0.1, 0.9], "float32"), no)
    np.testing.assert_array_equal(labels(clusters), before[0])
    np.testing.assert_array_equal(centroids(clusters), before[1])


def test_config_and_errors():
    twin = OnlineClusters.from_config(OnlineClusters(4, 3, 2).get_config())
    assert (twin.size, twin.count, twin.dimension) == (4, 3, 2) and not twin.trainable_weights
    with pytest.raises(ValueError, match="Received: count=0"):
        OnlineClusters(4, 0, 2)
