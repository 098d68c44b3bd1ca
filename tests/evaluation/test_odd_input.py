"""Every public evaluation on odd input: an answer or an error that says what was received, never a silent NaN.

What is exported and stands in none of the tables fails `test_no_evaluation_is_forgotten`. What
modules export by themselves has such tests in a file of its own.
"""

import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import evaluation as e

ROWS, CLASSES = 24, 3


def maps(x):
    """Rows as the places of a video of 2 frames."""
    return np.reshape(x, (2, 3, len(x) // 6, -1))


def first_labels(x, y):
    return np.reshape(np.asarray(y)[: len(x) // 2], (3, -1))


# Of features [N, D] and labels [N]: a number, or an array.
FEATURES = {
    "NaiveBayesProbe": lambda x, y: e.NaiveBayesProbe().fit(x, y).score(x, y),
    "NearestMeanClassifier": lambda x, y: e.NearestMeanClassifier().fit(x, y).score(x, y),
    "RecursiveRidge": lambda x, y: e.RecursiveRidge().fit(x, y).score(x, y),
    "TransductiveFewShot": lambda x, y: e.TransductiveFewShot().fit(x, y).score(x, y),
    "alignment": lambda x, y: e.alignment(x, x[::-1]),
    "alpha_req": lambda x, y: e.alpha_req(x),
    "cka": lambda x, y: e.cka(x, x[::-1]),
    "feature_std": lambda x, y: e.feature_std(x),
    "few_shot": lambda x, y: e.few_shot(x, y, ways=2, shots=1, queries=2, episodes=5).accuracy,
    "find_neighbors": lambda x, y: e.find_neighbors(x, x, k=1)[0],
    "intrinsic_dimension": lambda x, y: e.intrinsic_dimension(x, y, x, y),
    "knn_accuracy": lambda x, y: e.knn_accuracy(x, y, x, y, k=1),
    "knn_predict": lambda x, y: np.unique(y, return_inverse=True)[1][e.knn_predict(x, np.arange(len(x)), x, k=1)],
    "knn_probabilities": lambda x, y: e.knn_probabilities(x, y, x, k=1),
    "label_propagation": lambda x, y: e.label_propagation(maps(x), first_labels(x, y)),
    "lidar": lambda x, y: e.lidar(x, y),
    "linear_predict": lambda x, y: np.unique(y, return_inverse=True)[1][e.linear_predict(x, np.arange(len(x)) % 3, x)],
    "linear_probabilities": lambda x, y: e.linear_probabilities(x, y, x),
    "linear_probe": lambda x, y: e.linear_probe(x, y, x, y),
    "linear_probe_grid": lambda x, y: e.linear_probe_grid(x, y, x, y, regularizations=[0.1, 1]).accuracy,
    "linear_probe_sgd": lambda x, y: e.linear_probe_sgd(x, y, x, y, epochs=3),
    "mean_correlation": lambda x, y: e.mean_correlation(x),
    "nesum": lambda x, y: e.nesum(x),
    "pair_similarities": lambda x, y: np.concatenate(e.pair_similarities(x, x[::-1])),
    "rankme": lambda x, y: e.rankme(x),
    "retrieval": lambda x, y: list(e.retrieval(x, y, ks=[1]).values()),
    "singular_value_entropy": lambda x, y: e.singular_value_entropy(x),
    "tolerance": lambda x, y: e.tolerance(x, y),
    "two_nn": lambda x, y: e.two_nn(x),
    "uniformity": lambda x, y: e.uniformity(x),
}
# Of masks.
MASKS = {
    "contour_accuracy": e.contour_accuracy,
    "region_similarity": e.region_similarity,
    "video_segmentation": e.video_segmentation,
}
# Of a model and images.
IMAGES = {
    "extract_features": lambda x, y: e.extract_features(model(), x),
    "finetune": lambda x, y: e.finetune(model(), x, y, x, y, fraction=1, epochs=1),
    "rank_checkpoints": lambda x, y: e.rank_checkpoints(".", x),
    "view_features": lambda x, y: e.view_features(objective(), x, views=2),
}
# Of labels alone or of a data set, and what functions return.
OTHER = {
    *("balanced_accuracy", "class_recall", "save_features", "stratified_subset"),
    *("FewShotAccuracy", "FinetuneAccuracy", "LinearProbeGrid", "RankedCheckpoint"),
}

USES_LABELS = {
    *("NaiveBayesProbe", "NearestMeanClassifier", "RecursiveRidge", "TransductiveFewShot", "few_shot", "tolerance"),
    *("intrinsic_dimension", "knn_accuracy", "knn_predict", "lidar", "linear_probe", "linear_probe_grid"),
    *("knn_probabilities", "linear_probabilities", "linear_probe_sgd", "retrieval"),
}


def test_no_evaluation_is_forgotten():
    assert {*FEATURES, *MASKS, *IMAGES, *OTHER} == set(e.__all__) - set(e._more)


def features(dtype="float64"):
    """Three classes that are apart, of one half each in another direction."""
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % CLASSES
    return (3 * np.eye(CLASSES, 4)[labels] + rng.standard_normal((ROWS, 4))).astype(dtype), labels


def model():
    return keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten()])


def objective():
    return keras_ssl.SimCLR(keras_ssl.encoders.ConvNet((2,)), projector=(2,), views=lambda x, stream: [x, x])


def answer(name, x, y):
    """What the evaluation says, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return FEATURES[name](x, y)


@pytest.mark.parametrize("name", FEATURES)
def test_half_precision_costs_nothing_but_its_own_rounding(name):
    """What is computed of float16 features is what is computed of the same numbers in float64."""
    x, y = features("float16")
    np.testing.assert_allclose(answer(name, x, y), answer(name, x.astype("float64"), y), rtol=1e-5, atol=1e-5)


# Other than 1 (or 0 parameters): what cannot be with one class.
ONE_CLASS = {
    "few_shot": "`ways` must not exceed the 1 classes. Received: ways=2",
    "lidar": "must name two samples at least",
}


@pytest.mark.parametrize("name", sorted(USES_LABELS))
def test_one_class(name):
    x, y = features()[0], np.full(ROWS, 7)
    if name in ONE_CLASS:
        with pytest.raises(ValueError, match=ONE_CLASS[name]):
            answer(name, x, y)
        return
    expected = {"intrinsic_dimension": 0.0, "knn_predict": 0, "tolerance": answer(name, x, y)}.get(name, 1.0)
    np.testing.assert_allclose(answer(name, x, y), expected)
    assert np.isfinite(answer(name, x, y)).all()


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_rows_that_are_not_finite_are_named(name, value, dtype):
    x, y = features(dtype)
    x[5, 2] = value
    where = "frame 0, row 1, column 1" if name == "label_propagation" else "(row|row and) (5|18)"
    with pytest.raises(ValueError, match=f"must be finite. Received: .* with NaN or infinity in {where}"):
        answer(name, x, y)


# Of features that are all zero there is nothing to say: the documented answer.
ALL_ZERO = {
    "alpha_req": np.nan,
    "cka": np.nan,
    "mean_correlation": np.nan,
    "alignment": 0.0,
    "feature_std": 0.0,
    "nesum": 0.0,
    "rankme": 1.0,
    "lidar": 1.0,
    "singular_value_entropy": 0.0,
    "tolerance": 0.0,
    "two_nn": 0.0,
    "uniformity": 0.0,
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_of_zeros(name):
    x, y = features()
    x[[3, 7]] = 0
    assert np.isfinite(answer(name, x, y)).all()
    found = answer(name, np.zeros_like(x), y)
    if name in ALL_ZERO:
        np.testing.assert_allclose(found, ALL_ZERO[name], atol=1e-12)
    else:  # accuracies: nothing tells the classes apart
        assert np.isfinite(found).all()


# What a common factor of all features does not change, by its definition.
OF_DIRECTIONS = {"alignment", "feature_std", "find_neighbors", "pair_similarities", "tolerance", "uniformity"}
VOTES = {"knn_accuracy", "knn_predict", "knn_probabilities", "label_propagation", "retrieval"}
SPECTRA = {"alpha_req", "cka", "mean_correlation", "nesum", "rankme", "singular_value_entropy", "two_nn"}


@pytest.mark.parametrize("name", sorted(OF_DIRECTIONS | VOTES | SPECTRA))
@pytest.mark.parametrize("power", [-550, -200, 200, 550])
def test_features_of_any_size(name, power):
    x, y = features()
    np.testing.assert_allclose(answer(name, np.ldexp(x, power), y), answer(name, x, y), rtol=1e-6)


@pytest.mark.parametrize("name", sorted(USES_LABELS))
@pytest.mark.parametrize("kind", ["U", "S", "O"])
def test_labels_may_be_strings(name, kind):
    x, y = features()
    names = np.array(["ant", "bumble-bee", "cat"])[y]
    strings = names.astype(object) if kind == "O" else names.astype(kind)
    np.testing.assert_allclose(answer(name, x, strings), answer(name, x, y))


@pytest.mark.parametrize("name", sorted(USES_LABELS))
@pytest.mark.parametrize(
    "labels", [np.zeros(ROWS - 1, int), np.zeros((ROWS, 2), int), np.linspace(0, 1, ROWS), [None] * ROWS]
)
def test_labels_that_are_none(name, labels):
    if name == "knn_predict":
        return  # whose labels the table makes itself: see test_knn.py
    with pytest.raises(ValueError, match=r"Received: \w*(labels|groups)\.(shape|dtype)="):
        answer(name, features()[0], labels)


# One sample: what needs more says so; of the others some have nothing to say of it.
NEEDS_MORE = {
    *("few_shot", "lidar", "linear_probe_grid", "pair_similarities", "retrieval", "tolerance", "two_nn", "uniformity"),
}
UNDEFINED_FOR_ONE = {"alpha_req", "cka", "mean_correlation"}


@pytest.mark.parametrize("name", sorted({*FEATURES} - {"label_propagation"}))
def test_one_sample_and_none(name):
    x, y = features()
    if name in NEEDS_MORE:
        with pytest.raises(ValueError, match="Received: "):
            answer(name, x[:1], y[:1])
    else:
        assert np.isnan(answer(name, x[:1], y[:1])) == (name in UNDEFINED_FOR_ONE)
    with pytest.raises(ValueError, match="Received: "):
        answer(name, x[:0], y[:0])


def test_videos_without_frames_or_places():
    for shape in ((0, 3, 4, 2), (2, 0, 4, 2), (2, 3, 4, 0)):
        with pytest.raises(ValueError, match="Received: features.shape="):
            e.label_propagation(np.zeros(shape), np.zeros(shape[1:3], int))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda x, y: e.knn_predict(x, y, x, k=ROWS + 1), r"`k` must be .* \(24\). Received: k=25"),
        (lambda x, y: e.knn_accuracy(x, y, x, y, k=ROWS + 1), r"Received: k=25"),
        (lambda x, y: e.retrieval(x, y, ks=[ROWS]), r"`ks` must not exceed the 23 .*Received: ks=\[24\]"),
        (lambda x, y: e.two_nn(x[:2]), r"at least 3 samples"),
        (lambda x, y: e.few_shot(x, y, shots=8, queries=1, ways=2), r"class 0 has 8. Received: shots=8, queries=1"),
        (lambda x, y: e.few_shot(x, y.astype(str), shots=9, queries=1, ways=2), r"class 0 has 8. Received: shots=9"),
        (lambda x, y: e.few_shot(x, y, ways=4), r"the 3 classes. Received: ways=4"),
    ],
)
def test_more_neighbors_shots_or_ways_than_there_are(ask, message):
    with pytest.raises(ValueError, match=message):
        ask(*features())


def test_more_neighbors_than_samples_where_all_of_them_will_do():
    x, y = features()
    wide = e.TransductiveFewShot(neighbors=100).fit(x, y).predict(x)
    np.testing.assert_array_equal(wide, e.TransductiveFewShot(neighbors=2 * ROWS - 1).fit(x, y).predict(x))
    few = e.label_propagation(maps(x), first_labels(x, y), k=12)
    np.testing.assert_array_equal(e.label_propagation(maps(x), first_labels(x, y), k=1000), few)


@pytest.mark.parametrize("name", MASKS)
def test_masks(name):
    empty, square = np.zeros((3, 6, 6), int), np.zeros((3, 6, 6), int)
    square[:, 1:4, 1:4] = 1
    assert np.isfinite(list(np.ravel(list(result(name, empty, square))))).all()
    for found, true in ((square, square[:2]), (square[:0], square[:0]), (np.full((3, 6, 6), np.nan), square)):
        with pytest.raises(ValueError, match="Received: "):
            MASKS[name](found, true)
    if name == "video_segmentation":
        with pytest.raises(ValueError, match="no object"):
            MASKS[name](square, empty)
    else:
        assert MASKS[name](empty, empty) == 1.0


def result(name, *masks):
    found = MASKS[name](*masks)
    return found.values() if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", IMAGES)
def test_images(name):
    x, y = np.random.default_rng(0).random((6, 4, 4, 3)).astype("float32"), np.arange(6) % 2
    with pytest.raises(ValueError, match=r"must be a batch of images. Received: \w*images.shape=\(0, 4, 4, 3\)"):
        IMAGES[name](x[:0], y[:0])
    x[4, 1, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"images with NaN or infinity in sample 4"):
        IMAGES[name](x, y)
    if name != "rank_checkpoints":
        IMAGES[name](np.zeros((6, 4, 4, 3), "float32"), y)
