import numpy as np
import pytest

from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.soft_contrastive_loss import soft_contrastive_loss
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients


def drawn(n=4, d=3, seed=0):
    rng = np.random.default_rng(seed)
    graph = rng.uniform(-1, 0.9, size=(n, n))
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)), (graph + graph.T) / 2


def reference(z1, z2, graph, temperature=0.1, target_temperature=0.1):
    z = [row / np.sqrt(row @ row) for row in [*z1, *z2]]
    n, total = len(z1), 0.0
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        s = {j: 1.0 if i % n == j % n else graph[i % n, j % n] for j in others}
        targets = np.exp([s[j] / target_temperature for j in others])
        logits = np.exp([z[i] @ z[j] / temperature for j in others])
        total -= sum(t / targets.sum() * np.log(p / logits.sum()) for t, p in zip(targets, logits, strict=True))
    return total / (2 * n)


@pytest.mark.parametrize(("temperature", "target_temperature"), [(0.1, 0.1), (0.5, 0.3)])
def test_value_and_gradients_equal_the_loops(temperature, target_temperature, tolerance):
    z1, z2, graph = drawn()
    value, gradients = _value_and_gradients(
        lambda a, b: soft_contrastive_loss(a, b, graph, temperature, target_temperature), z1, z2
    )
    slow = lambda a, b: reference(a, b, graph, temperature, target_temperature)  # noqa: E731
    assert value == pytest.approx(slow(z1, z2), rel=1e-5)
    for mine, theirs in zip(gradients, _finite_differences(slow, z1, z2), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=max(20 * tolerance, 1e-6))


def test_of_unlike_samples_it_is_nt_xent():
    z1, z2, _ = (x.astype("float32") for x in drawn())
    found = soft_contrastive_loss(z1, z2, -np.ones((4, 4), "float32"), 0.2, 0.01)
    assert float(found) == pytest.approx(float(nt_xent_loss(z1, z2, 0.2)), rel=1e-5)


def test_of_equal_samples_with_equal_embeddings_it_is_log_2n_minus_1():
    z = np.ones((3, 2), "float32")
    assert float(soft_contrastive_loss(z, z, np.ones((3, 3)))) == pytest.approx(np.log(5), rel=1e-5)


def test_no_gradient_flows_through_the_similarities():
    z1, z2, graph = drawn()
    _, (gradient,) = _value_and_gradients(lambda s: soft_contrastive_loss(z1, z2, s), graph)
    assert not gradient.any()


def test_compiles_for_batches_of_any_size():
    z1, z2, graph = (x.astype("float32") for x in drawn())
    found = _compiled(lambda a, b: soft_contrastive_loss(a, b, graph), z1, z2)
    assert found == pytest.approx(reference(z1, z2, graph), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"temperature": 0}, "temperature=0"), ({"target_temperature": np.nan}, "target_temperature=nan")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        soft_contrastive_loss(*drawn(), **options)


def test_refuses_a_graph_that_is_not_square():
    z1, z2, graph = drawn()
    with pytest.raises(ValueError, match=r"Received: similarities.shape=\(3, 4\)"):
        soft_contrastive_loss(z1, z2, graph[:3])
