"""The loss of NEPA: a slow reference and its ends."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.next_embedding_loss import next_embedding_loss
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def slow(outputs, embeddings):
    found = []
    for h, e in zip(outputs.astype("float64"), embeddings.astype("float64"), strict=True):
        pairs = [(h[t], e[t + 1]) for t in range(len(h) - 1)]
        found.append(-np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]))
    return np.array(found)


def test_equals_the_reference():
    outputs, embeddings = draws(3, 5, 4), draws(3, 5, 4, seed=1)
    found = numbers(next_embedding_loss(outputs, embeddings))
    np.testing.assert_allclose(found, slow(outputs, embeddings), rtol=1e-4, atol=1e-6)


def test_ends_and_what_does_not_count():
    embeddings = draws(3, 5, 4)
    outputs = np.concatenate([2 * embeddings[:, 1:], draws(3, 1, 4, seed=1)], axis=1)
    np.testing.assert_allclose(numbers(next_embedding_loss(outputs, embeddings)), -1.0, rtol=1e-5)
    np.testing.assert_allclose(numbers(next_embedding_loss(-outputs, embeddings)), 1.0, rtol=1e-5)
    embeddings[:, 0], outputs[:, -1] = 7.0, -3.0  # the first embedding and the last output
    np.testing.assert_allclose(numbers(next_embedding_loss(outputs, embeddings)), -1.0, rtol=1e-5)


@pytest.mark.parametrize("shapes", [((1, 1, 3), (1, 1, 3)), ((1, 4, 3), (1, 4, 2)), ((4, 3), (4, 3))])
def test_refuses(shapes):
    with pytest.raises(ValueError, match="Received: outputs.shape="):
        next_embedding_loss(*(np.ones(shape) for shape in shapes))
