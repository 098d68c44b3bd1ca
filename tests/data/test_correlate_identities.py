import numpy as np
import pytest

from keras_ssl.data import correlate_identities, identity_noise

RNG = np.random.default_rng(0)
# Three tracks of one identity, two of another, at right angles but for a little noise.
TRUE = np.repeat([0, 1, 0, 1, 0], 4)
TRACKS = np.repeat([7, 3, 1, 9, 4], 4)
Z = np.eye(2, 5)[TRUE] + 0.05 * RNG.normal(size=(20, 5))


def slow_noise(z, identities, weight):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    centers = {c: np.mean(unit[identities == c], axis=0) for c in set(identities)}
    centers = {c: v / np.linalg.norm(v) for c, v in centers.items()}
    within = [1 - u @ centers[c] for u, c in zip(unit, identities, strict=True)]
    between = [
        max([0.0, *(u @ v for other, v in centers.items() if other != c)])
        for u, c in zip(unit, identities, strict=True)
    ]
    return np.mean(within) + weight * np.mean(between)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_noise_equals_the_loops(weight):
    labels = RNG.integers(0, 3, 20)
    assert identity_noise(Z, labels, weight) == pytest.approx(slow_noise(Z, labels, weight))


def test_noise_is_least_for_the_truth():
    truth = identity_noise(Z, TRUE)
    assert truth < identity_noise(Z, TRACKS) and truth < identity_noise(Z, np.zeros(20, int))
    assert identity_noise(np.eye(3), [0, 1, 2]) == 0.0


def test_two_separated_clusters_are_found_exactly():
    np.testing.assert_array_equal(correlate_identities(Z, TRACKS), TRUE)


def test_of_equal_samples_all_tracks_are_one_identity():
    assert correlate_identities(np.ones((4, 2)), [0, 1, 2, 3]).tolist() == [0, 0, 0, 0]
    assert correlate_identities(np.ones((3, 2)), [5, 5, 5]).tolist() == [0, 0, 0]


def test_samples_that_do_not_fit_their_track_are_taken_out():
    z = Z.copy()
    z[2] = [0, 0, 0, 0, -1.0]
    expected = TRUE.copy()
    expected[2] = -1
    np.testing.assert_array_equal(correlate_identities(z, TRACKS, least_cosine=0.5), expected)
    tracks = TRACKS.copy()
    tracks[:8] = -1
    found = correlate_identities(Z, tracks)
    assert (found[:8] == -1).all() and len(set(found[8:])) == 2
    assert (correlate_identities(Z, np.full(20, -1)) == -1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": Z * np.nan}, "Received: features.shape"),
        ({"features": Z[0]}, "Received: features.shape"),
        ({"tracks": TRACKS[:2]}, "Received: tracks.shape"),
        ({"tracks": TRACKS * 0.5}, "tracks.dtype=float64"),
        ({"weight": -1}, "Received: weight=-1"),
        ({"least_cosine": 2.0}, "Received: least_cosine=2.0"),
        ({"least_cosine": np.nan}, "Received: least_cosine=nan"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        correlate_identities(**{"features": Z, "tracks": TRACKS, **options})


def test_errors_of_the_noise():
    with pytest.raises(ValueError, match="Received: identities of -1 alone"):
        identity_noise(Z, np.full(20, -1))
    with pytest.raises(ValueError, match="Received: weight=nan"):
        identity_noise(Z, TRUE, np.nan)
