"""What theory says of a loss against the loss itself, on embeddings made for the purpose.

That no step of a run goes below the floor is tested with the recipes: tests/callbacks/test_collapse_doctor_recipes.py.
"""

import re

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import ExpectedLoss, Step, engine
from tests.objectives.tiny import OBJECTIVES as ALL

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="closed forms; the losses are shown to be equal on both backends"
)

# Those whose loss theory says something of.
OBJECTIVES = {name: make for name, make in ALL.items() if make().expected_range(64) != ExpectedLoss()}
SAMPLES, WIDTH = 64, 256
CHANGED = {  # beside the projector's width and the queue's size
    "w_mse": {"projector": [24, 16], "whitening_size": SAMPLES},
    "mmcr": {"projector": [24, 128]},
    "interclr": {"dataset_size": 256, "pool": 64, "negatives": 32, "clusters": 8},
    "sog_clr": {"dataset_size": SAMPLES},
    "isog_clr": {"dataset_size": SAMPLES},
    "swav": {"prototypes": 200, "queue_size": 0, "freeze_steps": 0},
    "dino": {"out_dim": 200, "freeze_steps": 0},
    "mochi": {"hardest": 64, "mixes": 32, "query_mixes": 16},
}
# Of what is not told at chance, and of collapse, the reason stands in the docstring.
NO_CHANCE = ("identity_seeking", "random_teacher")
NO_COLLAPSE = ("random_teacher", "soft_con", "w_mse")
# Temperatures of pairs come from an untrained network.
ROUGH = {"adaptive_multi_head_contrastive": 0.3}


def wide(name, **options):
    """The objective of `tiny`, with embeddings of many dimensions."""
    model = OBJECTIVES[name]()
    config = model.get_config()
    for head in ("projector", "predictor"):
        if config.get(head):
            config[head] = [*config[head][:-1], WIDTH]
    if config.get("queue_size"):
        config["queue_size"] = 4 * SAMPLES
    config |= CHANGED.get(name, {}) | options
    return type(model).from_config(config)


def normal(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def embeddings(model, make, samples=SAMPLES):
    """What `embed` gives for a batch, with `make(shape, number)` in the place of every embedding."""
    image = np.full((samples, 16, 16, 3), 128, "uint8")
    number = np.arange(samples, dtype="int32")
    batch = {"x": (image,) * model.number_of_views, "y": number, "index": number, "group": number}
    made = engine.embed(model, batch, Step.at(samples, training=False, seed=1))
    names = [name for name in made if re.fullmatch(r"[zpqktsm]\d?", name)]
    for place, name in enumerate(names):
        if isinstance(model, keras_ssl.DINO) and name[0] in "st":
            last = model.last_layer if name[0] == "s" else model.teacher.modules[-1]
            made[name] = last(make((samples, WIDTH), place))
        else:
            made[name] = keras.ops.convert_to_tensor(make(tuple(made[name].shape), place))
    if "logits" in made:  # of a classifier that knows nothing
        made["logits"] = keras.ops.zeros_like(made["logits"])
    return made


def fill(model, rows):
    """Puts `rows(count, width)` into everything that the model remembers embeddings in."""
    if isinstance(model, keras_ssl.InterCLR):
        bank = unit(rows(model.dataset_size, WIDTH))
        model.bank._rows.assign(bank)
        alike = np.allclose(bank, bank[:1])
        model.clusters._labels.assign(np.arange(model.dataset_size) % (1 if alike else model.clusters.count))
    if isinstance(model, keras_ssl.TiCo):
        memory = unit(rows(20000, WIDTH))
        model.covariance._contents.assign(memory.T @ memory / len(memory))
    if getattr(model, "queue", None) is not None:
        model.queue._contents.assign(unit(rows(*model.queue.contents.shape)))  # as the objectives fill it


def value(model, made):
    if not isinstance(model, keras_ssl.MixedBarlowTwins):
        return float(model.objective(made, Step.at(1))[0])
    losses = []  # of the coefficients whose mean square is that of all
    for coefficient in (0.5 - 12**-0.5, 0.5 + 12**-0.5):
        model._coefficient = lambda step, fixed=coefficient: keras.ops.full((1,), fixed)
        losses.append(float(model.objective(made, Step.at(1))[0]))
    return sum(losses) / 2


@pytest.fixture(scope="module")
def models():
    made = {}

    def get(name):
        if name not in made:
            made[name] = wide(name)
        return made[name]

    return get


def chance(model):
    fill(model, lambda count, width: normal((count, width), 99))
    return np.mean([value(model, embeddings(model, lambda s, n, k=k: normal(s, 10 * k + n))) for k in range(2)])


def collapsed(model, samples=SAMPLES):
    heads = getattr(model, "heads", 1)

    def point(count, width):
        return np.tile(normal((1, width // heads), 5), (count, heads))

    fill(model, point)
    made = embeddings(model, lambda shape, number: point(*shape), samples)
    if isinstance(model, keras_ssl.DINO):
        model.centering._center.assign(made["t1"][0])
    return value(model, made)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_chance(models, name):
    model = models(name)
    expected = model.expected_loss(SAMPLES).initial
    if name in NO_CHANCE:
        assert expected is None
        return
    assert chance(model) == pytest.approx(expected, rel=0.03, abs=ROUGH.get(name, 0.05))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_collapsed(models, name):
    model = models(name)
    samples = 8 if name == "identity_seeking" else SAMPLES  # ties are what its matching takes longest over
    expected = model.expected_loss(samples).collapsed
    if name in NO_COLLAPSE:
        assert expected is None
        return
    # DINO and SwAV depend on which prototypes happen to be near.
    assert collapsed(model, samples) == pytest.approx(expected, rel=1e-3, abs=0.1 if name in ("dino", "swav") else 1e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adaptive_multi_head_contrastive", {"base": "moco", "temperature": 0.2}),
        ("adaptive_multi_head_contrastive", {"temperature": 0.2, "hardest": 10}),
        ("adaptive_multi_head_contrastive", {"base": "barlow_twins", "temperature": 0.5}),
        ("adaptive_multi_head_contrastive", {"base": "barlow_twins", "temperature_range": [0.5, 0.5001]}),
        ("vicreg", {"halve_variance": False}),
        ("sup_con", {"base_temperature": 0.07}),
        ("image_pair_contrastive", {"label_smoothing": 0.1}),
        ("scat_sim_clr", {"pretext": "jigsaw"}),
    ],
)
def test_other_settings(name, options):
    model = wide(name, **options)
    expected = model.expected_loss(SAMPLES)
    assert chance(model) == pytest.approx(expected.initial, rel=0.03, abs=0.1)
    assert collapsed(model) == pytest.approx(expected.collapsed, rel=1e-3, abs=1e-3)
    assert expected.floor <= min(expected.initial, expected.collapsed)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_floor_lies_below(models, name):
    expected = models(name).expected_loss(SAMPLES)
    values = [value for value in (expected.initial, expected.collapsed) if value is not None]
    assert expected.floor is not None and all(expected.floor <= value for value in values)


def simplex():
    """Corners of a regular simplex: cosines of -1 / (N - 1) between any two."""
    return np.eye(SAMPLES, dtype="float32") - 1.0 / SAMPLES


@pytest.mark.parametrize(
    "name",
    ["simclr", "dcl", "dclw", "multi_view_info_nce", "multi_view_dhel", "mocov3", "nnclr", "image_pair_contrastive"],
)
def test_floor_is_reached_by_a_simplex(name):
    """Of agreeing views; the temperature is large enough for negatives to matter."""
    heads = {head: [24, SAMPLES] for head in ("projector", "predictor") if head in OBJECTIVES[name]().get_config()}
    fixed = {"learn_temperature": False} if name == "image_pair_contrastive" else {}
    model = wide(name, temperature=0.5, **heads, **fixed)
    fill(model, lambda count, width: np.tile(simplex(), (count // SAMPLES, 1)))
    found = value(model, embeddings(model, lambda shape, number: simplex()))
    assert found == pytest.approx(model.expected_loss(SAMPLES).floor, abs=1e-4)


def test_barlow_twins_of_few_samples_cannot_reach_zero():
    """Nine samples span eight directions: 24 dimensions that are as even as can be still repeat each other."""
    model = wide("barlow_twins", projector=[8, 24], redundancy_weight=0.5)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(9, 24))
    z = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)[0][:, :8]
    z = (z @ np.linalg.qr(rng.normal(size=(24, 24)))[0][:8]).astype("float32")
    floor = model.expected_loss(9).floor
    assert (
        floor == pytest.approx(12.0) and floor <= float(model.objective({"z1": z, "z2": z}, Step.at(1))[0]) < 3 * floor
    )


def test_smoothed_floor_holds_for_every_gap():
    model = wide("image_pair_contrastive", learn_temperature=False, label_smoothing=0.2)
    floor = model.expected_loss(SAMPLES).floor
    for gap in np.linspace(0, 1, 30):
        z = np.sqrt(gap) * simplex() / np.sqrt(1 - 1 / SAMPLES) + np.sqrt((1 - gap) / SAMPLES)
        loss = float(model.objective({"z1": z.astype("float32"), "z2": z.astype("float32")}, Step.at(1))[0])
        assert loss >= floor - 1e-5


def test_batch_size_is_checked():
    model = OBJECTIVES["simclr"]()
    assert model.expected_loss() == model.expected_loss(256)
    with pytest.raises(ValueError, match=r"`batch_size`.*Received: batch_size=1$"):
        model.expected_loss(1)


def test_an_objective_of_ones_own_says_nothing():
    class Mine(keras_ssl.SimCLR):
        def expected_range(self, batch_size):
            return super(keras_ssl.SimCLR, self).expected_range(batch_size)

    model = OBJECTIVES["simclr"]()
    assert Mine.from_config(model.get_config()).expected_loss() == ExpectedLoss(None, None, None)
