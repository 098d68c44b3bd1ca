"""What InterCLR adds to MoCo: positives by cluster, semi-hard negatives, a bank that follows the teacher."""

import re

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.objectives.contrastive.interclr import default_pool, random_member, semi_hard
from keras_ssl.training import Step
from tests.losses.test_inter_image_loss import reference
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder

SHARED = {"projector": (6,), "queue_size": 24, "momentum": 0.9, "temperature": 0.2}


def make(**options):
    defaults = {"dataset_size": 24, "clusters": 3, "negatives": 5, "pool": 6, "views": cheap_views()}
    return keras_ssl.InterCLR(encoder(), **{**SHARED, **defaults, **options})


def array(x):
    return keras.ops.convert_to_numpy(x).copy()


def images(count=24):
    return np.random.RandomState(0).randint(0, 256, (count, 16, 16, 3)).astype("uint8")


def filled(**options):
    """A model whose bank and clusters are full."""
    model = make(**options)
    model.bank.remember(np.arange(24), draws(24, 6, seed=5))
    model.clusters.update(model.bank.contents, np.arange(24), np.random.RandomState(1).rand(24).astype("float32"))
    return model


def embeddings(n=8, negatives=5):
    rng = np.random.RandomState(2)
    return {
        "q1": draws(n, 6),
        "k2": unit(draws(n, 6, seed=1)),
        "index": np.arange(n, dtype="int32") * 3,
        "order": rng.rand(n).astype("float32"),
        "positive": rng.rand(n).astype("float32"),
        "negatives": rng.rand(n, negatives).astype("float32"),
    }


def test_weight_0_equals_moco():
    start = make(inter_weight=0.0)
    moco = keras_ssl.MoCo(start.encoder, views=cheap_views(), **SHARED)
    moco.projector.set_weights(start.projector.get_weights())
    given = embeddings()
    assert value(start.objective(given, Step.at(1))[0]) == value(moco.objective(given, Step.at(1))[0])


@pytest.mark.slow
def test_equals_the_reference():
    model, given = filled(inter_weight=0.4, margin=-0.3), embeddings()
    rows, labels = array(model.bank.contents).astype("float64"), array(model.clusters.labels)
    positives, negatives = [], []
    for i, query in enumerate(unit(given["q1"].astype("float64"))):
        own = labels[given["index"][i]]
        members = np.flatnonzero(labels == own)
        positives.append(rows[members[int(given["positive"][i] * len(members))]])
        others = sorted(np.flatnonzero(labels != own), key=lambda j, q=query: -(q @ rows[j]))[:6]
        negatives.append([rows[others[int(u * len(others))]] for u in given["negatives"][i]])
    expected = reference(given["q1"].astype("float64"), np.array(positives), np.array(negatives), 0.2, -0.3)
    loss, logs = model.objective(given, Step.at(1))
    assert value(logs["inter"]) == pytest.approx(expected, rel=1e-4)
    assert value(loss) == pytest.approx(0.6 * value(logs["intra"]) + 0.4 * expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="reads a JAX program")
def test_no_row_is_gathered_for_a_negative():
    """Only cosines: 1,024 rows of 256 numbers for each of 256 images would take half a gibibyte, twice."""
    import jax

    count = 300
    model = filled(negatives=count)
    program = str(jax.make_jaxpr(lambda given: model.objective(given, Step.at(8)))(embeddings(negatives=count)))
    sizes = [np.prod([int(n) for n in found.split(",")]) for found in re.findall(r"[a-z]\d+\[([\d,]+)\]", program)]
    assert 8 * count <= max(sizes) < 8 * count * 6


def test_every_image_its_own_cluster_makes_the_positive_the_image_s_own_entry():
    model, given = filled(clusters=24), embeddings()
    labels = array(model.clusters.labels)
    assert sorted(labels) == list(range(24))
    own = labels[given["index"]][:, None] == labels[None, :]
    np.testing.assert_array_equal(random_member(own, given["positive"]), given["index"])


def test_negatives_never_share_the_label_and_lie_in_the_pool():
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-1, 1, (6, 40)).astype("float32")
    allowed = rng.random((6, 40)) < 0.5
    places, missing = semi_hard(similarity, allowed, 7, rng.random((6, 200)).astype("float32"))
    assert not array(missing).any()
    for row, chosen in enumerate(array(places)):
        pool = sorted(np.flatnonzero(allowed[row]), key=lambda j, r=row: -similarity[r, j])[:7]
        assert set(chosen) == set(pool)


def test_a_row_without_allowed_entries_has_no_negatives():
    allowed = np.array([[False, False, False], [False, True, False]])
    places, missing = semi_hard(np.zeros((2, 3), "float32"), allowed, 2, np.full((2, 4), 0.9, "float32"))
    np.testing.assert_array_equal(missing, [[True] * 4, [False] * 4])
    np.testing.assert_array_equal(array(places)[1], 1)


def test_random_members_are_all_drawn():
    members = np.tile([[False, True, True, False, True]], (300, 1))
    chosen = array(random_member(members, np.random.default_rng(0).random(300).astype("float32")))
    assert sorted(set(chosen)) == [1, 2, 4] and np.bincount(chosen).max() < 140


@pytest.mark.slow
def test_the_bank_takes_the_teachers_keys_of_the_batch():
    model = make()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    logs = model.fit(images(), batch_size=12, verbose=0).history
    assert array(model.bank.seen).all() and np.isfinite(logs["loss"][0])
    np.testing.assert_allclose(np.linalg.norm(array(model.bank.contents), axis=1), 1.0, rtol=1e-5)
    newest = array(model.queue.contents)[:12]
    distances = np.abs(newest[:, None] - array(model.bank.contents)[None]).max(2).min(1)
    np.testing.assert_allclose(distances, 0.0, atol=1e-6)
    assert set(array(model.clusters.labels)) <= {0, 1, 2}


def test_samples_not_seen_before_have_no_inter_image_loss():
    _, logs = make().objective(embeddings(), Step.at(1))
    assert value(logs["inter"]) == 0.0


def test_an_index_beyond_the_bank_is_nan_in_a_step_and_an_error_in_fit():
    given = {**embeddings(), "index": np.arange(20, 28, dtype="int32")}
    assert np.isnan(value(filled().objective(given, Step.at(1))[0]))
    model = make()
    model.compile("sgd", run_eagerly=EAGERLY)
    with pytest.raises(ValueError, match="Received: dataset_size=24, index from 0 to 29"):
        model.fit(images(30), batch_size=10, verbose=0)
    with pytest.raises(ValueError, match="Received: dataset_size=24, index from 5 to 28"):
        model.fit({"x": images(24), "index": np.arange(5, 29)}, batch_size=12, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset_size": 0}, "dataset_size=0"),
        ({"clusters": 0}, "count=0"),
        ({"negatives": 0}, "negatives=0"),
        ({"pool": 25}, "pool=25, dataset_size=24"),
        ({"inter_weight": 1.5}, "inter_weight=1.5"),
        ({"bank_momentum": 0}, "momentum=0"),
        ({"version": 3}, "version=3"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        make(**options)


@pytest.mark.parametrize(("size", "pool"), [(1, 1), (64, 6), (50_000, 5000), (1_281_167, 128_000)])
def test_the_default_pool_is_a_tenth_of_the_data_and_the_papers_on_imagenet(size, pool):
    assert default_pool(size) == pool


def test_the_config_is_whole():
    config = OBJECTIVES["interclr"]().get_config()
    assert {"dataset_size", "clusters", "negatives", "pool", "inter_weight", "margin", "bank_momentum"} <= set(config)
