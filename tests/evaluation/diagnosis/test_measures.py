import numpy as np
import pytest

from keras_ssl.evaluation.diagnosis import measures


def test_embedding_of_axes():
    """Eight images on the axes of four dimensions, both ways: the whole sphere, as far as eight points can."""
    z = np.concatenate([np.eye(4), -np.eye(4)]).astype("float32")
    found = measures.measure_embedding(3.0 * z)
    assert (found.samples, found.width, found.points) == (8, 4, 8)
    assert found.spread == pytest.approx(1.0) and found.rank == pytest.approx(4.0, abs=1e-4)
    z[0, 0] = np.inf
    assert np.isnan(measures.measure_embedding(z).spread)


def test_embedding_of_one_point_and_of_one_line():
    point = measures.measure_embedding(np.ones((6, 3)))
    assert point.spread == pytest.approx(0.0, abs=1e-7) and point.points == 1
    line = measures.measure_embedding(np.outer([1.0, -1.0, 2.0, -3.0], [1.0, 2.0, 2.0]))
    assert line.rank == pytest.approx(1.0, abs=1e-4) and line.points == 2


def test_points_are_joined_along_a_chain():
    chain = np.eye(6, dtype=bool) | np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)
    assert measures.count_points(chain) == 1
    chain[2, 3] = chain[3, 2] = False
    assert measures.count_points(chain) == 2
    assert measures.count_points(np.eye(6, dtype=bool)) == 6


def test_perplexity():
    assert measures.perplexity(np.array([3, 3, 3, 3])) == pytest.approx(1.0)
    assert measures.perplexity(np.array([0, 1, 2, 7])) == pytest.approx(4.0)
    assert measures.perplexity(np.array([0, 0, 1, 1, 1, 1, 1, 1])) == pytest.approx(4 / 3**0.75)


def test_differences():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(50, 4, 4, 3))
    assert measures.difference_of_views(images, images) == 0.0
    assert measures.difference_of_views(images, rng.uniform(size=images.shape)) == pytest.approx(1.0, abs=0.05)
    assert measures.difference_of_images(images) == pytest.approx(12**-0.5, rel=0.05)  # of a uniform pixel
    assert measures.difference_of_images(np.ones((5, 4, 4, 3))) == 0.0
    assert measures.difference_of_views(np.ones((5, 2)), np.ones((5, 2))) == 0.0


def test_label_share_is_the_share_of_the_variance_between_classes():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.normal(size=(60, 4, 5))
    images[:, 2, 3] += 2.0 * labels
    share, place = measures.label_share(images, labels)
    pixel = images[:, 2, 3]
    between = sum(20 * (pixel[labels == c].mean() - pixel.mean()) ** 2 for c in range(3))
    assert place == (2, 3) and share == pytest.approx(between / (60 * pixel.var()))
    images[:, 1, 1] = np.array([5, 0, 9])[labels]
    assert measures.label_share(images, labels) == (pytest.approx(1.0), (1, 1))


def test_label_share_leaves_out_what_says_nothing():
    images = np.arange(12.0)[:, None]
    assert measures.label_share(images, np.arange(12)) == (0.0, ())  # a sample a class
    assert measures.label_share(images, np.zeros(12, int)) == (0.0, ())
    assert measures.label_share(np.ones((12, 1)), np.arange(12) % 2) == (0.0, (0,))
    unlabeled = np.array([0] * 4 + [1] * 4 + [-1] * 4)
    share, _ = measures.label_share(np.array([[0.0]] * 4 + [[1.0]] * 4 + [[7.0]] * 4), unlabeled)
    assert share == 1.0
