import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy, info_nce_loss


def pair(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape))


def pair32(shape, seed=0):
    return list(pair(shape, seed).astype("float32"))


def bank(size, width, seed=9):
    return np.random.default_rng(seed).normal(size=(size, width)).astype("float32")


def cosine(a, b):
    return np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))


def reference(queries, keys, temperature=0.1, negatives=None):
    total = 0.0
    for i, query in enumerate(queries):
        candidates = keys if negatives is None else [keys[i], *negatives]
        logits = [cosine(query, key) / temperature for key in candidates]
        positive = logits[i] if negatives is None else logits[0]
        total += np.logaddexp.reduce(logits) - positive
    return total / len(queries)


@pytest.mark.parametrize("shape", [(1, 3), (6, 4)])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("size", [None, 5])
def test_equals_the_loops(shape, temperature, size):
    queries, keys = pair32(shape, seed=sum(shape))
    negatives = None if size is None else bank(size, shape[1])
    loss = float(info_nce_loss(queries, keys, temperature, negatives))
    exact = None if negatives is None else negatives.astype("float64")
    expected = reference(queries.astype("float64"), keys.astype("float64"), temperature, exact)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_the_chance_value_is_the_logarithm_of_the_candidates():
    # Equal embeddings cannot be told apart: N keys of the batch, or the own key and a queue of K.
    z = np.tile(np.array([[1.0, 2.0, -1.0, 0.5]], "float32"), (6, 1))
    assert float(info_nce_loss(z, z)) == pytest.approx(np.log(6), rel=1e-5)
    assert float(info_nce_loss(z, z, negatives=z[:5])) == pytest.approx(np.log(5 + 1), rel=1e-5)


def test_orthonormal_embeddings_have_a_closed_form():
    # Own key at cosine 1, all others at 0: log(1 + M exp(-1 / T)) with M negatives.
    basis = np.eye(11, dtype="float32")
    loss = float(info_nce_loss(basis[:6], basis[:6], 0.5))
    assert loss == pytest.approx(np.log1p(5 * np.exp(-2.0)), rel=1e-5)
    loss = float(info_nce_loss(basis[:6], basis[:6], 0.5, negatives=basis[6:]))
    assert loss == pytest.approx(np.log1p(5 * np.exp(-2.0)), rel=1e-5)


def test_two_samples_have_a_closed_form():
    # Opposite samples: own key at cosine 1, the other at -1.
    z = np.array([[2.0, 0.0], [-1.0, 0.0]], "float32")
    assert float(info_nce_loss(z, z, 1.0)) == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-5)
    # Swapped keys: the positive at -1, the negative at 1.
    assert float(info_nce_loss(z, z[::-1].copy(), 1.0)) == pytest.approx(np.log1p(np.exp(2.0)), rel=1e-5)


def test_one_sample_without_negatives_has_nothing_to_tell_apart():
    queries, keys = pair32((1, 4))
    assert float(info_nce_loss(queries, keys)) == 0.0


def test_without_negatives_the_other_keys_are_the_negatives():
    queries, keys = pair32((6, 4))
    rows = [
        float(info_nce_loss(queries[i : i + 1], keys[i : i + 1], 0.2, np.delete(keys, i, axis=0))) for i in range(6)
    ]
    assert float(info_nce_loss(queries, keys, 0.2)) == pytest.approx(np.mean(rows), rel=1e-5)


def test_equals_the_cross_entropy_of_scikit_learn():
    from sklearn.metrics import log_loss

    queries, keys = pair32((6, 4))
    logits = np.array([[cosine(q, k) / 0.3 for k in keys] for q in queries])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert float(info_nce_loss(queries, keys, 0.3)) == pytest.approx(log_loss(range(6), probabilities), rel=1e-5)


def test_the_two_directions_differ_unless_the_cosines_form_a_symmetric_matrix():
    queries, keys = pair32((6, 4))
    there, back = float(info_nce_loss(queries, keys)), float(info_nce_loss(keys, queries))
    assert back == pytest.approx(reference(keys.astype("float64"), queries.astype("float64")), rel=1e-5)
    assert abs(there - back) > 1e-2
    # A half turn M keeps lengths and is its own inverse: q_i.(M q_j) = (M q_i).q_j.
    turned = queries * np.array([1, -1, -1, 1], "float32")
    assert float(info_nce_loss(queries, turned)) == pytest.approx(float(info_nce_loss(turned, queries)), rel=1e-5)


def test_depends_on_directions_alone():
    queries, keys = pair32((6, 4))
    negatives = bank(5, 4)
    expected = float(info_nce_loss(queries, keys, negatives=negatives))
    assert float(info_nce_loss(3.0 * queries, 0.01 * keys, negatives=50.0 * negatives)) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_order_of_the_batch_and_of_the_queue_do_not_matter():
    queries, keys = pair32((6, 4))
    negatives = bank(5, 4)
    order, shuffle = np.random.default_rng(1).permutation(6), np.random.default_rng(2).permutation(5)
    expected = float(info_nce_loss(queries, keys))
    assert float(info_nce_loss(queries[order], keys[order])) == pytest.approx(expected, rel=1e-5)
    assert abs(float(info_nce_loss(queries[order], keys)) - expected) > 1e-2
    expected = float(info_nce_loss(queries, keys, negatives=negatives))
    found = float(info_nce_loss(queries[order], keys[order], negatives=negatives[shuffle]))
    assert found == pytest.approx(expected, rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    queries, keys = pair((6, 4), seed=2)
    value, gradients = value_and_gradients(lambda q, k: info_nce_loss(q, k, 0.5), queries, keys)
    assert value == pytest.approx(reference(queries, keys, 0.5), rel=tolerance)
    expected = finite_differences(lambda q, k: reference(q, k, 0.5), queries, keys)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


def test_gradient_with_negatives_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    queries, keys = pair((6, 4), seed=2)
    negatives = bank(5, 4).astype("float64")
    value, gradients = value_and_gradients(lambda q, k, n: info_nce_loss(q, k, 0.5, n), queries, keys, negatives)
    assert value == pytest.approx(reference(queries, keys, 0.5, negatives), rel=tolerance)
    expected = finite_differences(lambda q, k, n: reference(q, k, 0.5, n), queries, keys, negatives)
    for have, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(have, want, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_zero_row_has_no_gradient_and_harms_no_other(dtype, value_and_gradients):
    queries, keys = pair((4, 3))
    queries[1], keys[2] = 0.0, 0.0
    value, (by_query, by_key) = value_and_gradients(info_nce_loss, queries, keys, dtype=dtype)
    assert np.isfinite(value) and np.isfinite(by_query).all() and np.isfinite(by_key).all()
    np.testing.assert_array_equal(by_query[1], 0.0)
    np.testing.assert_array_equal(by_key[2], 0.0)
    assert (np.abs(by_query[[0, 2, 3]]).max(1) > 1e-3).all()


def test_all_zero_embeddings_are_at_chance():
    z = np.zeros((6, 4), "float32")
    assert float(info_nce_loss(z, z, negatives=bank(5, 4))) == pytest.approx(np.log(6), rel=1e-5)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
@pytest.mark.parametrize("temperature", [0.01, 0.001])
def test_half_precision_is_computed_in_float32(dtype, magnitude, temperature, rounded, value_and_gradients):
    # Logits reach 1000: exp overflows float32 too, unless the largest is subtracted first.
    (q, exact_q), (k, exact_k) = (rounded(z * magnitude, dtype) for z in pair((6, 4)))
    n, exact_n = rounded(bank(5, 4) * magnitude, dtype)
    for negatives, exact in ((None, None), (n, exact_n)):
        loss = info_nce_loss(q, k, temperature, negatives)
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"
        assert float(loss) == pytest.approx(reference(exact_q, exact_k, temperature, exact), rel=1e-4)
    _, gradients = value_and_gradients(lambda q, k: info_nce_loss(q, k, temperature), exact_q, exact_k, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    queries, keys = pair32((6, 4))
    negatives = bank(5, 4)
    assert compiled(info_nce_loss, queries, keys) == pytest.approx(float(info_nce_loss(queries, keys)), rel=1e-5)
    loss = compiled(lambda q, k, n: info_nce_loss(q, k, 0.2, n), queries, keys, negatives)
    assert loss == pytest.approx(float(info_nce_loss(queries, keys, 0.2, negatives)), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan")])
def test_refuses_a_temperature_that_is_not_positive(temperature):
    queries, keys = pair32((4, 3))
    with pytest.raises(ValueError, match=f"`temperature` must be greater than 0. Received: temperature={temperature}"):
        info_nce_loss(queries, keys, temperature)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (1, 3)), ((4, 3), (3, 3)), ((4,), (4,))])
@pytest.mark.parametrize("with_negatives", [False, True])
def test_refuses_queries_and_keys_of_different_shapes(first, second, with_negatives):
    # One key would broadcast to every query, and on JAX three keys for four queries are NaN without a word.
    negatives = bank(5, 3) if with_negatives else None
    with pytest.raises(ValueError, match="Received: shapes"):
        info_nce_loss(np.ones(first, "float32"), np.ones(second, "float32"), negatives=negatives)


@pytest.mark.parametrize("shape", [(4, 7), (1, 1), (6, 2)])
def test_cross_entropy_equals_the_loops(shape):
    rng = np.random.default_rng(sum(shape))
    logits = rng.normal(0.0, 5.0, shape).astype("float32")
    labels = rng.integers(0, shape[1], shape[0]).astype("int32")
    excluded = rng.random(shape) < 0.4
    excluded[np.arange(shape[0]), labels] = False
    rows = logits.astype("float64")
    for mask in (None, excluded):
        kept = [row if mask is None else row[~mask[i]] for i, row in enumerate(rows)]
        expected = np.mean([np.logaddexp.reduce(k) - rows[i, labels[i]] for i, k in enumerate(kept)])
        assert float(contrastive_cross_entropy(logits, labels, mask)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_an_excluded_entry_has_no_say_however_large(value_and_gradients):
    logits = np.array([[1.0, 2.0, 5e4], [0.0, 3e4, 1.0]])
    labels = np.array([0, 2], "int32")
    excluded = np.array([[False, False, True], [False, True, False]])
    expected = np.mean([np.logaddexp(1.0, 2.0) - 1.0, np.logaddexp(0.0, 1.0) - 1.0])
    for dtype in ("float32", "float64"):
        value, (gradient,) = value_and_gradients(
            lambda x: contrastive_cross_entropy(x, labels, excluded), logits, dtype=dtype
        )
        assert value == pytest.approx(expected, rel=1e-5)
        np.testing.assert_array_equal(gradient[excluded], 0.0)
        assert (gradient[~excluded] != 0.0).all()


@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_label_smoothing_spreads_the_target_over_what_is_not_excluded(smoothing):
    logits = np.random.default_rng(0).normal(0.0, 3.0, (4, 5)).astype("float32")
    labels = np.array([0, 3, 2, 4], "int32")
    excluded = np.zeros((4, 5), bool)
    excluded[[0, 0, 2], [1, 4, 0]] = True
    total = 0.0
    for i, row in enumerate(logits.astype("float64")):
        kept = np.flatnonzero(~excluded[i])
        target = np.where(kept == labels[i], 1 - smoothing, 0.0) + smoothing / len(kept)
        total -= (target * (row[kept] - np.logaddexp.reduce(row[kept]))).sum()
    loss = contrastive_cross_entropy(logits, labels, excluded, smoothing)
    assert float(loss) == pytest.approx(total / 4, rel=1e-5)
