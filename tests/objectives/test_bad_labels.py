"""What every objective that learns from labels or a teacher refuses before training, found through the registry."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.objectives.labels.semi_supervised import SemiSupervised
from keras_ssl.registry import entries, find
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import engine
from keras_ssl.training.check_data import check_data
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import LabelledModel

# By their folder: the family "distillation" has those that learn from their own average too.
FAMILIES = {
    entry.name: entry.target
    for entry in entries("objective")
    if entry.target.__module__.startswith(("keras_ssl.objectives.labels.", "keras_ssl.objectives.distillation."))
}
NAMES = sorted(FAMILIES)
CLASSIFIERS = sorted(name for name, kind in FAMILIES.items() if issubclass(kind, LabelledModel))
SEMI = sorted(name for name, kind in FAMILIES.items() if issubclass(kind, SemiSupervised))
TAUGHT = sorted(name for name, kind in FAMILIES.items() if issubclass(kind, LabelDistillation))
# Those with a table of samples; others may read `index` for something else.
NUMBERED = sorted(
    name for name, kind in FAMILIES.items() if {"dataset_size", "labeled_size"} & set(known_arguments(kind))
)
# Identities, groups and numbers as labels have no range.
NO_RANGE = {
    "IdentityGuidedSelfDistillation",
    "InterPatchConsistency",
    "LOOK",
    "Metrix",
    "SupReMix",
    "TransitiveInvariance",
}

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(24, dtype="int32") % 4
NONE = np.full(24, -1, "int32")


@pytest.fixture(scope="module")
def models():
    """A model of each objective, made once: nothing here trains."""
    made = {}

    def model(name):
        if name not in made:
            made[name] = tiny_model(name)
        return made[name]

    return model


def data(y=LABELS, x=IMAGES, **fields):
    return keras_ssl.data.from_arrays(x, y, group=np.zeros(24, "int32"), batch_size=12, **fields)


def mixed(y, u):
    streams = {"labeled": {"x": IMAGES[:12], "y": y}, "unlabeled": {"x": IMAGES[12:], "y": u}}
    return keras_ssl.data.from_streams(streams, (1, 1), batch_size=12)


class Batches(keras.utils.PyDataset):
    """A data set of Keras' own, of which `fit` looks at the first batch."""

    def __init__(self, y):
        super().__init__()
        self.y = y

    def __len__(self):
        return 2

    def __getitem__(self, number):
        rows = slice(12 * number, 12 * number + 12)
        return {"x": IMAGES[rows], "y": self.y[rows], "index": np.arange(24)[rows], "group": np.zeros(12, "int32")}


def refuse(model, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_data(data, model, training=True)
    assert "Received: " in str(caught.value) and type(model).__name__ not in str(caught.value).split("Received: ")[1]


@pytest.mark.parametrize("name", NAMES)
def test_sound_data_pass(name, models):
    model = models(name)
    given = LABELS.astype("float32") if name == "SupReMix" else LABELS
    check_data(data(given), model, training=True)
    check_data(Batches(given), model, training=True)


@pytest.mark.parametrize("name", [name for name in NAMES if "y" in FAMILIES[name].fields and name not in NO_RANGE])
@pytest.mark.parametrize("label", [99, -2])
def test_a_label_outside_the_range_is_named(name, label, models):
    for place in (0, 23):
        wrong = LABELS.copy()
        wrong[place] = label
        refuse(models(name), data(wrong), rf"[Ll]abels must .* Received: y={label}")
    refuse(models(name), mixed(LABELS[:12], np.full(12, label)), f"Received: y={label}")
    wrong = LABELS.copy()
    wrong[0] = label
    refuse(models(name), Batches(wrong), f"Received: y={label}")
    with pytest.raises(ValueError, match=f"Received: y={label}"):
        models(name).check_batch({"x": IMAGES, "y": keras.ops.convert_to_tensor(wrong)})


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name not in NO_RANGE])
@pytest.mark.parametrize("label", [4, -2])
def test_a_label_that_is_no_class_shows_in_the_loss(name, label, models):
    """In a batch after the first nothing can raise: a loss of numbers would look right."""
    model, rows = models(name), np.arange(8)
    batch = {"x": IMAGES[:8], "y": np.where(rows == 4, label, LABELS[:8])}
    batch |= {field: rows for field in ("index", "group") if field in model.batch_fields}
    try:
        batch, step = engine.prepare(model, batch, training=True)
        loss = float(engine.forward(model, batch, step).loss)
    except ValueError as error:  # those that look where they can
        assert "Received: " in str(error)
    else:
        assert np.isnan(loss)


@pytest.mark.parametrize("name", NAMES)
def test_unlabeled_data_alone_are_refused_with_the_alternative_or_are_enough(name, models):
    model = models(name)
    if not model.needs_labels:
        check_data(data(NONE), model, training=True)
        return
    alternative = model.without_labels
    entry = find("objective", alternative)
    assert entry is not None and "y" not in entry.fields
    message = rf"{name} learns from labels, and no sample has one.*`keras_ssl.{alternative}`. Received: y="
    refuse(model, data(NONE), message + "-1 for all 24 samples")
    refuse(model, mixed(NONE[:12], NONE[:12]), message + "-1 for all 24 samples")
    if not model.batch_fields["y"].required:
        refuse(model, data(None), message + "None")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_labels_is_refused_where_labels_are_needed(name, models):
    model = models(name)
    if not model.needs_labels:
        check_data(Batches(NONE), model, training=True)
        return
    first = LABELS.copy()
    first[:12] = -1
    message = r"The first batch has no labeled sample.*from_streams.* Received: y=-1 for all 12 samples"
    refuse(model, Batches(first), message)
    check_data(Batches(first[::-1].copy()), model, training=True)
    model.compile("sgd")
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(Batches(first)[0])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_without_stored_logits_need_labels(name, models):
    # Contrast with a teacher's features is enough to learn from.
    assert models(name).needs_labels == (name != "ContrastiveRepresentationDistillation")


@pytest.mark.parametrize("name", SEMI)
def test_a_class_without_labels_is_named(name, models):
    one_missing = np.where(LABELS == 2, -1, LABELS)
    message = rf"{name} must have a labeled sample of every class.* Received: classes=4, no label of class 2"
    refuse(models(name), data(one_missing), message)
    refuse(models(name), mixed(one_missing[:12], NONE[:12]), message)
    check_data(Batches(one_missing), models(name), training=True)  # a batch may well lack a class
    check_data(data(one_missing), models(name))  # and so may an evaluation


@pytest.mark.parametrize("name", SEMI)
def test_few_labels_in_random_batches_are_warned_of(name, models):
    few = np.where(np.arange(24) < 4, LABELS, -1)
    with pytest.warns(UserWarning, match=r"About 5% of the batches .* Received: 4 labels of 24 samples, batch_size=12"):
        check_data(data(few), models(name), training=True)


@pytest.mark.parametrize("name", NUMBERED)
def test_an_index_outside_the_table_is_named(name, models):
    far = np.arange(24) + 10**6
    refuse(models(name), data(index=far), r"Received: \w+=\d+, index from 1000000 to 1000023")
    negative = np.where(np.arange(24) == 3, -3, np.arange(24))
    refuse(models(name), data(index=negative), "index from -3 to ")


@pytest.mark.parametrize("name", NUMBERED)
def test_streams_with_more_samples_than_the_table_are_named(name):
    size = {"dataset_size": 20} if name != "SimMatchV2" else {"labeled_size": 11}
    model = tiny_model(name, **size)
    refuse(
        model,
        mixed(LABELS[:12], NONE[:12] if name == "SimMatchV2" else LABELS[12:]),
        r"Received: \w+_size=\d+, index from 0 to ",
    )


@pytest.mark.parametrize("name", [name for name in TAUGHT if FAMILIES[name].takes_stored_logits])
def test_teachers_that_do_not_fit(name):
    table = np.zeros((24, 7), "float32")
    with pytest.raises(ValueError, match="`classes` = 4 columns. Received: teacher with 7 columns"):
        tiny_model(name, teacher=table)
    with pytest.raises(ValueError, match=r"Received: teacher of shape \(4,\)"):
        tiny_model(name, teacher=np.zeros(4))
    model = tiny_model(name, teacher=table[:20, :4])
    assert "index" in model.batch_fields
    # The teacher's logits are enough to learn from, but where the labels choose among them.
    assert model.needs_labels == (name == "SelectiveSelfTargets")
    refuse(model, data(), "a row for each sample's number. Received: 20 rows, index from 0 to 23")
    refuse(model, mixed(LABELS[:12], LABELS[12:]), "Received: 20 rows, index from 0 to 23")
    refuse(model, data(index=np.arange(24) - 1), "Received: 20 rows, index from -1 to 22")


@pytest.mark.parametrize("name", [*TAUGHT, "SimilarityDistillation"])
def test_a_teacher_of_another_input_size_is_named(name):
    layers = [keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    teacher = keras.Sequential(layers, name="small")
    model = tiny_model(name, teacher=teacher)
    model.compile("sgd", run_eagerly=True)
    message = r"'small' takes inputs of shape \(None, 8, 8, 3\).* Received: inputs of shape \(12, 16, 16, 3\)"
    with pytest.raises(ValueError, match=message):
        model.fit({"x": IMAGES, "y": LABELS}, batch_size=12, verbose=0)


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Softly(LabelledModel):
    """A classifier whose labels are distributions."""

    fields = {"y": Field("float32", (None,), distribution=True)}
    without_labels = None

    def embed(self, batch, step):
        return {"logits": self.classify(self.encoder(self.make_views(batch, step)[0])), "y": batch["y"]}

    def sample_terms(self, embeddings, step):
        return {"soft": -keras.ops.sum(embeddings["y"] * keras.ops.log_softmax(embeddings["logits"]), axis=1)}


def softly():
    encoder = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3)])
    model = Softly(encoder, classes=4, views=lambda x, stream: [x, x])
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    return model


X = rng.normal(size=(24, 5)).astype("float32")
SOFT = rng.dirichlet(np.ones(4), 24)


def test_labels_of_any_declared_rank_train():
    """`fit` takes soft labels as its `y`, in a dict and in validation, and computes what it should of them."""
    model = softly()
    p = np.asarray(keras.ops.log_softmax(model(X)))
    expected = -np.sum(SOFT * p, axis=1).mean()
    for arguments in ({"x": X, "y": SOFT}, {"x": {"x": X, "y": SOFT}}):
        history = model.fit(**arguments, batch_size=24, verbose=0, validation_data={"x": X, "y": SOFT}).history
        assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
        assert history["val_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(X, SOFT, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("wrong", "received"),
    [
        ([0.5, 0.2, 0.2, 0.0], "the sum 0.9 and the least number 0 in sample 7"),
        ([1.5, -0.5, 0.0, 0.0], "the sum 1 and the least number -0.5 in sample 7"),
        ([0.0, 0.0, 0.0, 0.0], "the sum 0 and the least number 0 in sample 7"),
    ],
)
def test_soft_labels_that_are_no_distribution_are_named(wrong, received):
    y = SOFT.copy()
    y[7] = wrong
    with pytest.raises(ValueError, match=f"`y` must be a distribution.* Received: y with {received}"):
        softly().fit(X, y, batch_size=12, verbose=0)
    with pytest.raises(ValueError, match="must be a distribution"):
        softly().evaluate(X, y, verbose=0)


def test_one_hot_labels_are_still_refused_where_a_number_is_declared(models):
    model = models("FixMatch")
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"`y.argmax\(axis=1\)`. Received: y.shape=\(24, 4\)"):
        model.fit(IMAGES, np.eye(4)[LABELS], batch_size=12, verbose=0)


def test_combined_objectives_check_what_their_members_do(models):
    member = models("FixMatch")
    both = keras_ssl.training.Combined({"match": member})
    refuse(both, data(NONE), "FixMatch learns from labels")
    assert both.batch_fields == member.batch_fields
