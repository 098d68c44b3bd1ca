import numpy as np
import pytest

from keras_ssl.losses import contrastive_pair_loss, metrix_loss, multi_similarity_loss, proxy_anchor_loss
from tests.losses.metric.test_pair_loss import OPTIONS
from tests.losses.metric.test_pair_loss import reference as slow_pairs
from tests.losses.reference import cosine

RNG = np.random.default_rng(0)
Z, PROXIES = RNG.normal(size=(6, 3)), RNG.normal(size=(3, 3))
LABELS = np.array([0, 1, 0, 2, 1, -1], "int32")
ORDER = np.array([3, 0, 4, 5, 2, 1])
SHARES = RNG.uniform(0.1, 0.9, 6)
BASES = list(OPTIONS)


def mixtures(z=Z):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    return SHARES[:, None] * unit + (1 - SHARES[:, None]) * unit[ORDER]


def reference(z, base, mixed=None, weight=0.4, pairs="positive_negative", labels=LABELS):
    anchors, names = (z, labels) if base != "proxy_anchor" else (PROXIES, np.arange(len(PROXIES)))
    s = np.array([[cosine(a, x) for x in z] for a in anchors])
    y = np.array([[float(a == b) for b in labels] for a in names])
    mask = np.array(
        [
            [float(a >= 0 and b >= 0 and not (anchors is z and i == j)) for j, b in enumerate(labels)]
            for i, a in enumerate(names)
        ]
    )
    total = slow_pairs(s, y, base, mask, **OPTIONS[base])
    if mixed is None:
        return total
    s = np.array([[cosine(a, x) for x in mixed] for a in anchors])
    y, mask = np.zeros_like(s), np.zeros_like(s)
    for i, a in enumerate(names):
        for j in range(len(mixed)):
            first, second = labels[j], labels[ORDER[j]]
            y[i, j] = SHARES[j] * (first == a) + (1 - SHARES[j]) * (second == a)
            mask[i, j] = a >= 0 and first >= 0 and second >= 0
            if pairs == "positive_negative":
                mask[i, j] *= (first == a) != (second == a)
    return total + weight * slow_pairs(s, y, base, mask, **OPTIONS[base])


def arguments(base):
    return {"base": base, "proxies": PROXIES if base == "proxy_anchor" else None, **OPTIONS[base]}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("pairs", ["positive_negative", "all"])
def test_equals_the_loops(base, pairs):
    found = metrix_loss(Z, LABELS, mixtures(), LABELS[ORDER], SHARES, 0.7, pairs=pairs, **arguments(base))
    assert float(found) == pytest.approx(reference(Z, base, mixtures(), 0.7, pairs), rel=1e-5)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_labels_may_be_integers_of_any_type(base, dtype):
    labels = np.abs(LABELS)
    found = metrix_loss(Z, labels.astype(dtype), mixtures(), labels[ORDER], SHARES, **arguments(base))
    assert float(found) == float(metrix_loss(Z, labels, mixtures(), labels[ORDER], SHARES, **arguments(base)))


@pytest.mark.parametrize("base", BASES)
def test_weight_0_and_no_mixtures_are_the_base_loss(base):
    named = {
        "contrastive": lambda: contrastive_pair_loss(Z, LABELS, **OPTIONS[base]),
        "multi_similarity": lambda: multi_similarity_loss(Z, LABELS, **OPTIONS[base]),
        "proxy_anchor": lambda: proxy_anchor_loss(Z, LABELS, PROXIES, **OPTIONS[base]),
    }[base]
    for found in (
        named(),
        metrix_loss(Z, LABELS, **arguments(base)),
        metrix_loss(Z, LABELS, mixtures(), LABELS[ORDER], SHARES, 0.0, **arguments(base)),
    ):
        assert float(found) == pytest.approx(reference(Z, base), rel=1e-5)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_of_0_and_1_are_the_base_loss_of_the_parts(base, share):
    """Of the mixed part alone: unmixed samples, positives and negatives as their own class says."""
    labels = np.array([0, 1, 0, 2, 1, 2])
    parts, partners = (Z, labels) if share else (Z[ORDER], labels[ORDER])
    options = {**arguments(base), "pairs": "all"}
    mixed = metrix_loss(Z, labels, parts, labels[ORDER], np.full(6, share), 1.0, **options)
    plain = metrix_loss(Z, labels, **arguments(base))
    anchors, names = (PROXIES, np.arange(3)) if base == "proxy_anchor" else (Z, labels)
    s = np.array([[cosine(a, x) for x in parts] for a in anchors])
    expected = slow_pairs(s, (names[:, None] == partners).astype(float), base, **OPTIONS[base])
    assert float(mixed) - float(plain) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("base", BASES)
def test_gradient_equals_finite_differences(base, value_and_gradients, finite_differences, tolerance):
    def loss(z, mixed):
        return metrix_loss(z, LABELS, mixed, LABELS[ORDER], SHARES, **arguments(base))

    _, gradients = value_and_gradients(loss, Z, mixtures())
    slow = finite_differences(lambda z, mixed: reference(z, base, mixed), Z, mixtures())
    for mine, theirs in zip(gradients, slow, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=max(tolerance, 3e-7))  # labels are float32


def test_unlabeled_and_lonely_batches_are_finite(value_and_gradients):
    for base in BASES:
        value, (gradient,) = value_and_gradients(
            lambda z, base=base: metrix_loss(z, np.full(6, -1), **arguments(base)), np.zeros((6, 3))
        )
        assert value == 0.0 and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "Received: weight=-1"),
        ({"weight": np.nan}, "Received: weight=nan"),
        ({"pairs": "some"}, "Received: pairs='some'"),
        ({"base": "proxy_anchor"}, "Received: base='proxy_anchor', proxies=None"),
        ({"proxies": PROXIES}, "Received: base='multi_similarity', proxies=an array"),
        ({"mixed": Z}, "Received: partner_labels=None"),
        ({"labels": LABELS[:3]}, r"Received: labels.shape=\(3,\)"),
        ({"labels": LABELS * 0.5}, "Received: labels.dtype=float"),
        ({"scale": 3.0}, "Received: scale=3.0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        metrix_loss(**{"z": Z, "labels": LABELS, **options})
