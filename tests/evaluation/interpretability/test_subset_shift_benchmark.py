"""Subsets by context: loops over the table, communities by brute force, and tasks without overlap."""

import itertools

import numpy as np
import pytest

from keras_ssl.evaluation import SubsetShiftBenchmark, modularity_communities, shift_distance

RNG = np.random.default_rng(0)


def table(count=300):
    labels = RNG.choice(["cat", "dog", "bus"], size=count)
    columns = {
        name: RNG.choice([*values, ""], size=count)
        for name, values in {
            "place": ["bed", "grass", "sofa"],
            "light": ["day", "night"],
            "size": ["large", "small"],
        }.items()
    }
    return labels, columns


def test_subsets_equal_loops_over_the_table():
    labels, columns = table()
    found = SubsetShiftBenchmark(labels, columns, least_samples=20, least_subsets=3).subsets
    expected = {}
    for label in ("cat", "dog", "bus"):
        for name, values in columns.items():
            for value in set(values.tolist()) - {""}:
                rows = [n for n in range(300) if labels[n] == label and values[n] == value]
                if len(rows) >= 20:
                    expected[label, f"{name}={value}"] = rows
    assert {(c, t): rows.tolist() for c, part in found.items() for t, rows in part.items()} == expected
    assert list(found) == ["bus", "cat", "dog"] and all(list(part) == sorted(part) for part in found.values())


def test_collections_of_tags_and_of_classes():
    objects = [{"cat", "sofa"}, {"cat", "dog"}, {"dog", "sofa"}, ["cat", "sofa", "sofa"], set()]
    found = SubsetShiftBenchmark([["cat"], ["cat", "dog"], ["dog"], ["cat"], ["cat"]], objects, 1, 1).subsets
    rows = {label: {tag: rows.tolist() for tag, rows in part.items()} for label, part in found.items()}
    # A class is no context of itself.
    assert rows == {"cat": {"dog": [1], "sofa": [0, 3]}, "dog": {"cat": [1], "sofa": [2]}}


def test_small_subsets_and_classes_of_few_are_left_out_and_so_are_unlabeled_samples():
    labels = [0] * 6 + [1] * 6 + [-1] * 6
    tags = [["a"], ["a"], ["b"], ["b"], ["b"], []] + [["a"]] * 6 + [["a", "b"]] * 6
    found = SubsetShiftBenchmark(np.array(labels), tags, least_samples=2, least_subsets=2).subsets
    assert list(found) == [0] and {tag: len(rows) for tag, rows in found[0].items()} == {"a": 2, "b": 3}
    assert list(SubsetShiftBenchmark(labels, tags, 2, 1).subsets) == [0, 1]


def test_distances_are_those_of_the_subsets():
    labels, columns = table()
    benchmark = SubsetShiftBenchmark(labels, columns, 10, 3, least_overlap=0.25)
    for label, part in benchmark.subsets.items():
        expected = shift_distance([rows.tolist() for rows in part.values()], 3, 0.25)
        np.testing.assert_array_equal(benchmark.distances(label, 3), expected)
        graph = benchmark.graph(label)
        assert graph.contexts == tuple(part) and sorted(itertools.chain(*graph.communities)) == sorted(part)
        assert not graph.weights.diagonal().any() and not ((graph.weights > 0) & (graph.weights < 0.25)).any()


def test_contexts_that_go_together_are_a_community():
    """Indoors there are beds and lamps, outdoors trees and cars, of which a tenth is mixed up."""
    rng, tags = np.random.default_rng(1), []
    for n in range(400):
        sides = [["bed", "lamp", "cup"], ["tree", "car", "road"]]
        one, other = sides[n % 2], sides[1 - n % 2]
        tags.append({*rng.choice(one, 2, replace=False), *([rng.choice(other)] if n % 10 == 0 else [])})
    benchmark = SubsetShiftBenchmark(["cat"] * 400, tags, least_overlap=0.1)
    assert {frozenset(part) for part in benchmark.graph("cat").communities} == {
        frozenset(("bed", "lamp", "cup")),
        frozenset(("tree", "car", "road")),
    }
    near = benchmark.task({"cat": "bed"}, {"cat": "lamp"}, dimensions=1).distance
    assert benchmark.task({"cat": "bed"}, {"cat": "tree"}, dimensions=1).distance > 3 * near


def test_a_task_never_trains_on_what_it_tests():
    labels, columns = table()
    benchmark = SubsetShiftBenchmark(labels, columns, 5, 3)
    train = {"cat": ["place=bed", "light=day"], "dog": "place=bed"}
    task = benchmark.task(train, {"cat": "place=sofa", "dog": ["light=night"]}, dimensions=2)
    tested = {n for n in range(300) if labels[n] == "cat" and columns["place"][n] == "sofa"}
    tested |= {n for n in range(300) if labels[n] == "dog" and columns["light"][n] == "night"}
    wanted = {n for n in range(300) if columns["place"][n] == "bed" and labels[n] in ("cat", "dog")}
    wanted |= {n for n in range(300) if labels[n] == "cat" and columns["light"][n] == "day"}
    assert task.test.tolist() == sorted(tested) and task.train.tolist() == sorted(wanted - tested)
    cats, dogs = (list(benchmark.subsets[label]) for label in ("cat", "dog"))
    of_cats, of_dogs = benchmark.distances("cat", 2), benchmark.distances("dog", 2)
    from_bed, from_day = (of_cats[cats.index(tag), cats.index("place=sofa")] for tag in ("place=bed", "light=day"))
    dog = of_dogs[dogs.index("place=bed"), dogs.index("light=night")]
    assert task.distance == pytest.approx(((from_bed + from_day) / 2 + dog) / 2)


def modularity(weights, parts):
    total, value = weights.sum(), 0.0
    for part in parts:
        for i in part:
            for j in part:
                value += weights[i, j] / total - weights[i].sum() * weights[j].sum() / total**2
    return value


def partitions(nodes):
    if not nodes:
        yield []
        return
    for rest in partitions(nodes[1:]):
        yield [[nodes[0]], *rest]
        for place in range(len(rest)):
            yield [*rest[:place], [nodes[0], *rest[place]], *rest[place + 1 :]]


@pytest.mark.parametrize("seed", range(5))
def test_communities_are_near_the_best_of_all_partitions(seed):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, 7)
    weights = rng.uniform(size=(7, 7)) * np.where(kind[:, None] == kind, 1.0, 0.1)
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    found = modularity_communities(weights)
    assert sorted(itertools.chain(*found)) == list(range(7))
    value, best = modularity(weights, found), max(modularity(weights, part) for part in partitions(list(range(7))))
    assert best - 0.05 <= value <= best + 1e-12
    for one, other in itertools.combinations(range(len(found)), 2):  # no merge is left that would raise it
        rest = [part for place, part in enumerate(found) if place not in (one, other)]
        assert modularity(weights, [*rest, found[one] + found[other]]) <= value + 1e-12


def test_disjoint_cliques_and_single_nodes():
    weights = np.zeros((8, 8))
    for part in ([1, 4, 6], [0, 2, 3, 7]):
        weights[np.ix_(part, part)] = 0.7
    np.fill_diagonal(weights, 0)
    assert modularity_communities(weights) == [[0, 2, 3, 7], [1, 4, 6], [5]]
    assert modularity_communities(np.zeros((2, 2))) == [[0], [1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SubsetShiftBenchmark([], []), r"Received: labels=\[\]"),
        (lambda: SubsetShiftBenchmark(["a"], []), "Received: annotations of 0"),
        (lambda: SubsetShiftBenchmark(["a"], {"b": [1, 2]}), "Received: b of 2"),
        (lambda: SubsetShiftBenchmark(["a"], [["b"]]), "Received: least_samples=25, least_subsets=6, 1 samples"),
        (lambda: SubsetShiftBenchmark([-1], [["b"]], 1, 1), "Received: least_samples=1"),
        (lambda: SubsetShiftBenchmark(["a"], [["b"]], 0), "Received: least_samples=0"),
        (lambda: SubsetShiftBenchmark(["a"], [["b"]], 1, 0), "Received: least_subsets=0"),
        (lambda: SubsetShiftBenchmark(["a"], [["b"]], 1, 1, np.nan), "Received: least_overlap=nan"),
        (lambda: SubsetShiftBenchmark(["a"], [["b"]], 1, 1, 1.5), "Received: least_overlap=1.5"),
        (lambda: small().graph("c"), "Received: label='c'"),
        (lambda: small().task({}, {}), "Received: train of"),
        (lambda: small().task({"a": "x"}, {"b": "x"}), "Received: train of"),
        (lambda: small().task({"a": "z"}, {"a": "x"}), "Received: train='z'"),
        (lambda: small().task({"a": "x"}, {"a": []}), "Received: test="),
        (lambda: small().task({"a": "x"}, {"a": "x"}), "Received: train="),
        (lambda: modularity_communities([1.0]), "Received: weights.shape"),
        (lambda: modularity_communities([[0, 1], [2, 0]]), "Received: weights that"),
        (lambda: modularity_communities([[0, np.nan], [np.nan, 0]]), "Received: weights that"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def small():
    return SubsetShiftBenchmark(["a"] * 4, [["x"], ["x", "y"], ["y"], []], 1, 1)
