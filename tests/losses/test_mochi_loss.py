import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.mochi_loss import hard_negative_mixes


def arrays(queries=5, rows=9, width=4, mixes=3, query_mixes=2, seed=0):
    rng = np.random.default_rng(seed)
    q, bank = (rng.normal(size=(count, width)).astype("float32") for count in (queries, rows))
    return q, bank, rng.random((queries, 3 * mixes + 2 * query_mixes)).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def mixed(*arguments):
    return keras.ops.convert_to_numpy(hard_negative_mixes(*arguments))


def reference(q, bank, draws, hardest, mixes):
    q, bank = unit(q.astype("float64")), unit(bank.astype("float64"))
    query_mixes = (draws.shape[1] - 3 * mixes) // 2
    rows = []
    for query, numbers in zip(q, draws, strict=True):
        hard = sorted(bank, key=lambda entry: -(query @ entry))[:hardest]
        own = []
        for m in range(mixes):
            a, i, j = numbers[m], numbers[mixes + m], numbers[2 * mixes + m]
            own.append(a * hard[int(i * hardest)] + (1 - a) * hard[int(j * hardest)])
        for m in range(query_mixes):
            b, j = numbers[3 * mixes + m] / 2, numbers[3 * mixes + query_mixes + m]
            own.append(b * query + (1 - b) * hard[int(j * hardest)])
        rows.append(unit(np.array(own)))
    return np.array(rows)


@pytest.mark.parametrize(("hardest", "mixes", "query_mixes"), [(9, 3, 2), (2, 4, 0), (3, 0, 5), (1, 2, 2)])
def test_equals_the_loops(hardest, mixes, query_mixes):
    q, bank, draws = arrays(mixes=mixes, query_mixes=query_mixes)
    np.testing.assert_allclose(
        mixed(q, bank, draws, hardest, mixes), reference(q, bank, draws, hardest, mixes), atol=1e-5
    )


@pytest.mark.slow
def test_query_mixes_are_unit_vectors_at_least_as_near_as_their_negative():
    # 1000 draws: mixing with the query can only turn a negative towards it.
    q, bank, draws = arrays(queries=100, rows=50, width=8, mixes=0, query_mixes=10)
    h = mixed(q, bank, draws, 20, 0)
    np.testing.assert_allclose(np.linalg.norm(h, axis=-1), 1.0, rtol=1e-5)
    still = draws.copy()
    still[:, :10] = 0.0
    negatives = mixed(q, bank, still, 20, 0)
    near, before = (np.einsum("nd,nmd->nm", unit(q), x) for x in (h, negatives))
    assert (near >= before - 1e-6).all() and near.mean() > before.mean() + 0.1


def test_one_hardest_negative_is_what_all_its_mixes_are():
    q, bank, draws = arrays(mixes=3, query_mixes=0)
    nearest = unit(bank)[np.argmax(unit(q) @ unit(bank).T, axis=1)]
    np.testing.assert_allclose(mixed(q, bank, draws, 1, 3), np.repeat(nearest[:, None], 3, axis=1), atol=1e-6)


def test_carries_no_gradient(value_and_gradients):
    q, bank, draws = arrays()

    def loss(q, bank):
        return keras.ops.sum(keras.ops.square(1.0 + hard_negative_mixes(q, bank, draws, 4, 3))) + keras.ops.sum(q + 0.0)

    _, gradients = value_and_gradients(lambda q: loss(q, keras.ops.cast(bank, q.dtype)), q)
    np.testing.assert_allclose(gradients[0], 1.0)


def test_own_negatives_extend_the_sum_of_info_nce(value_and_gradients, finite_differences, tolerance):
    q, bank, draws = arrays()
    k, own = q[::-1] + 0.3, mixed(q, bank, draws, 4, 3)

    def slow(q, k, bank, own):
        total = 0.0
        for query, key, mine in zip(unit(q), unit(k), unit(own), strict=True):
            rivals = np.exp(np.concatenate([[query @ key], unit(bank) @ query, mine @ query]) / 0.5)
            total += np.log(rivals.sum()) - query @ key / 0.5
        return total / len(q)

    parts = [x.astype("float64") for x in (q, k, bank, own)]
    value, gradients = value_and_gradients(lambda q, k, b, o: info_nce_loss(q, k, 0.5, b, o), *parts)
    assert value == pytest.approx(slow(*parts), rel=max(tolerance, 1e-7))
    for have, want in zip(gradients, finite_differences(slow, *parts), strict=True):
        np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-7))
    assert value > float(info_nce_loss(q, k, 0.5, bank))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    q, bank, draws = arrays()
    (q, exact_q), (bank, exact_bank) = (rounded(100 * x, dtype) for x in (q, bank))
    h = hard_negative_mixes(q, bank, draws, 4, 3)
    assert keras.backend.standardize_dtype(h.dtype) == "float32"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(h), reference(exact_q, exact_bank, draws, 4, 3), atol=1e-5)


def test_compiled_equals_eager(compiled):
    q, bank, draws = arrays()
    total = lambda q, b, d: keras.ops.sum(hard_negative_mixes(q, b, d, 4, 3) * keras.ops.arange(4.0))  # noqa: E731
    if keras.backend.backend() == "tensorflow":
        found = compiled(lambda q, d: total(q, keras.ops.convert_to_tensor(bank), d), q, draws)
    else:
        found = compiled(total, q, bank, draws)
    assert found == pytest.approx(float(total(q, bank, draws)), rel=1e-4)


def test_errors():
    q, bank, draws = arrays()
    with pytest.raises(ValueError, match="Received: draws of shape"):
        hard_negative_mixes(q, bank, draws, 4, 2)
    for mixes in (-1, 5):  # an even number of draws is left, or lacks
        with pytest.raises(ValueError, match=f"Received: draws of shape .*, mixes={mixes}"):
            hard_negative_mixes(q, bank, draws, 4, mixes)
    for hardest in (0, 10):
        with pytest.raises(ValueError, match=f"Received: hardest={hardest}"):
            hard_negative_mixes(q, bank, draws, hardest, 3)
    assert hard_negative_mixes(q, bank, draws, len(bank), 3).shape == hard_negative_mixes(q, bank, draws, 1, 3).shape
