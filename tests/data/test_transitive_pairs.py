import numpy as np
import pytest

from keras_ssl.data import nearest_edges, transitive_pairs

A, B, A2, B2, OTHER = range(5)


def test_the_toy_graph_gives_exactly_three_pairs():
    found = transitive_pairs([[A, B]], [[A, A2], [B, B2]], count=5)
    assert {tuple(pair) for pair in found.transitive.tolist()} == {(A2, B2), (A, B2), (B, A2)}
    assert {tuple(pair) for pair in found.all.tolist()} == {(A, B), (A, A2), (B, B2), (A2, B2), (A, B2), (B, A2)}
    assert len(set(found.components[:4])) == 1 and found.components[OTHER] != found.components[A]


def test_without_edges_of_one_kind_nothing_follows():
    tracks = transitive_pairs([], [[0, 1], [2, 3]], count=4)
    assert not len(tracks.transitive) and tracks.all.tolist() == [[0, 1], [2, 3]]
    likes = transitive_pairs([[0, 1], [1, 2]], np.zeros((0, 2), int), count=4)
    assert not len(likes.transitive) and likes.all.tolist() == [[0, 1], [1, 2]]


def test_equals_brute_force_on_a_random_graph():
    rng = np.random.default_rng(0)
    track = np.arange(24) // 3
    intra = {(i, j) for i in range(24) for j in range(i) if track[i] == track[j]}
    inter = {tuple(sorted(pair)) for pair in rng.integers(0, 24, (8, 2)) if track[pair[0]] != track[pair[1]]}
    found = transitive_pairs(sorted(inter), sorted(intra), 24)
    expected = set()
    for a, b in inter:
        for c in range(24):
            for d in range(24):
                if track[c] == track[a] and track[d] == track[b] and (c, d) != (a, b):
                    expected.add((min(c, d), max(c, d)))
    expected -= inter | {tuple(sorted(pair)) for pair in intra}
    assert set(map(tuple, found.transitive.tolist())) == expected and expected
    assert all(found.components[i] == found.components[j] for i, j in found.all)
    # Components are the closure of the edges: as many as the tracks that edges between instances leave apart.
    linked = list(range(8))
    for a, b in inter:
        old, new = linked[track[a]], linked[track[b]]
        linked = [new if each == old else each for each in linked]
    assert len(set(found.components)) == len(set(linked))
    for i, j in np.ndindex(24, 24):
        assert (found.components[i] == found.components[j]) == (linked[track[i]] == linked[track[j]])


def test_nearest_edges_join_other_instances():
    rng = np.random.default_rng(1)
    z, track = rng.normal(size=(12, 4)), np.arange(12) // 3
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected = set()
    for i in range(12):
        others = sorted((j for j in range(12) if track[j] != track[i]), key=lambda j: -unit[i] @ unit[j])
        expected |= {(min(i, j), max(i, j)) for j in others[:2]}
    assert set(map(tuple, nearest_edges(z, track, 2).tolist())) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inter": [[0, 0]]}, r"Received: inter=\[0, 0\]"),
        ({"inter": [[0, 4]]}, r"Received: inter=\[0, 4\]"),
        ({"intra": [[-1, 2]]}, r"Received: intra=\[-1, 2\]"),
        ({"intra": [0, 1]}, "Received: intra of shape"),
        ({"intra": [[0.5, 1]]}, "Received: intra of shape"),
        ({"count": 0}, "Received: count=0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        transitive_pairs(**{"inter": [[0, 1]], "intra": [[0, 2]], "count": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": np.full((3, 2), np.nan)}, "Received: features.shape"),
        ({"instances": [0, 0, 0]}, "Received: instances="),
        ({"instances": [0, 1]}, "Received: instances="),
        ({"neighbors": 0}, "Received: neighbors=0"),
    ],
)
def test_errors_of_edges(options, message):
    with pytest.raises(ValueError, match=message):
        nearest_edges(**{"features": np.eye(3), "instances": [0, 1, 2], **options})
