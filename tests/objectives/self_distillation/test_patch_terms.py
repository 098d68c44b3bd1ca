"""Regularizers of patches and nested heads in iBOT, DINOv2 and DINO."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers import GramAnchoring, PaKA
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_patch_regularizers import slow_gram, slow_paka
from tests.objectives.reference import value
from tests.objectives.tiny import cheap_crops

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")
TRUE = keras.ops.convert_to_tensor(True)


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def made(regularizers=(), **options):
    keras.utils.set_random_seed(0)
    return tiny_model("IBOT", regularizers=regularizers, **options)


def reduced(model, step=None):
    step = step or Step.at(6)
    return engine.reduce(model, model.embed({"x": IMAGES}, step), step)


def test_each_is_added_with_its_weight_and_a_weight_of_zero_is_the_base():
    base = reduced(made())
    both = reduced(made([GramAnchoring(0.7), PaKA(0.3)]))
    gram, paka = value(both.logs["gram"]), value(both.logs["patch_kernel"])
    assert gram > 1e-6 and paka > 1e-6  # the student does not see all patches
    assert value(both.loss) == pytest.approx(value(base.loss) + 0.7 * gram + 0.3 * paka, rel=1e-5)
    assert value(reduced(made([GramAnchoring(0.0), PaKA(0.0)])).loss) == pytest.approx(value(base.loss), rel=1e-6)


def test_values_are_those_of_the_student_s_and_the_other_network_s_patches():
    model = made([GramAnchoring(), PaKA()], mask_probability=0.0)
    rng = np.random.default_rng(0)
    for weight in model.encoder.trainable_variables:
        weight.assign_add(rng.normal(0, 0.1, weight.shape).astype("float32"))
    found = reduced(model)
    views = model.make_views({"x": IMAGES}, Step.at(6))
    crops = keras.ops.concatenate(views, axis=0)

    def patches(network):
        return numbers(network.encode(network.tokens(crops))[:, network.prefix :])

    student, teacher = patches(model.encoder), patches(model.teacher.modules[0])
    anchor = patches(model.regularizers[0].anchor.modules[0])
    np.testing.assert_allclose(teacher, anchor)  # at the start
    assert value(found.logs["gram"]) == pytest.approx(slow_gram(student, anchor).mean(), rel=1e-3)
    assert value(found.logs["patch_kernel"]) == pytest.approx(slow_paka(student, teacher).mean(), rel=1e-3)


def test_where_nothing_is_masked_they_are_zero_at_the_start():
    found = reduced(made([GramAnchoring(), PaKA()], mask_probability=0.0))
    assert value(found.logs["gram"]) < 1e-6 and value(found.logs["patch_kernel"]) < 1e-4


def test_the_anchor_counts_from_its_start_and_is_renewed_in_time():
    model = made([GramAnchoring(0.5, start_steps=3, renew_steps=2, renewals=2)])
    regularizer = model.regularizers[0]
    assert [float(regularizer.coefficient(keras.ops.convert_to_tensor(n))) for n in (0, 2, 3, 9)] == [0, 0, 0.5, 0.5]
    weight, anchor = model.teacher.modules[0].weights[0], regularizer.anchor.modules[0].weights[0]
    renewed = []
    for update in range(12):
        weight.assign_add(keras.ops.ones(weight.shape))
        before = numbers(anchor)
        regularizer.follow(model.teacher.modules[0], keras.ops.convert_to_tensor(update), TRUE)
        if np.abs(numbers(anchor) - before).max() > 0:
            np.testing.assert_array_equal(numbers(anchor), numbers(weight))
            renewed.append(update + 1)
    assert renewed == [3, 5, 7]
    regularizer.follow(model.teacher.modules[0], keras.ops.convert_to_tensor(2), keras.ops.convert_to_tensor(False))
    assert np.abs(numbers(anchor) - numbers(weight)).max() > 0  # no update, no renewal


def test_without_a_start_the_anchor_is_the_encoder_that_training_begins_with():
    model = made([GramAnchoring(renew_steps=4, renewals=1)])
    for weight in model.encoder.weights:
        if "float" in weight.dtype:
            weight.assign_add(keras.ops.ones(weight.shape))
    model.before_first_step()
    regularizer = model.regularizers[0]
    for mine, theirs in zip(regularizer.anchor.modules[0].weights, model.encoder.weights, strict=True):
        np.testing.assert_array_equal(numbers(mine), numbers(theirs))
    weight = model.teacher.modules[0].weights[0]
    weight.assign_add(keras.ops.ones(weight.shape))
    anchor = regularizer.anchor.modules[0].weights[0]
    renewed = []
    for update in range(10):
        regularizer.follow(model.teacher.modules[0], keras.ops.convert_to_tensor(update), TRUE)
        renewed.append(np.array_equal(numbers(anchor), numbers(weight)))
    assert renewed == [False] * 3 + [True] * 7  # after the fourth update


def test_the_anchor_is_saved_and_gets_no_gradient():
    model = made([GramAnchoring()])
    anchor = {id(v) for v in model.regularizers[0].weights}
    assert anchor <= {id(v) for v in model.weights} and not anchor & {id(v) for v in model.trainable_variables}


def test_many_patches_are_thinned_out_evenly():
    x, y = np.random.default_rng(0).normal(size=(2, 2, 9, 4)).astype("float32")
    found = numbers(PaKA(most_patches=3).values(*(keras.ops.convert_to_tensor(z) for z in (x, y)), None))
    np.testing.assert_allclose(found, slow_paka(x[:, [0, 4, 8]], y[:, [0, 4, 8]]), rtol=1e-4)


def test_tables_of_a_recipe_and_configs_make_them():
    model = made([{"name": "PaKA", "weight": 0.5}, {"name": "GramAnchoring", "start_steps": 7}])
    paka, gram = model.regularizers
    assert isinstance(paka, PaKA) and paka.weight == 0.5 and gram.start_steps == 7 and gram.weight == 2.0
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config() and again.regularizers[1].start_steps == 7


@pytest.mark.parametrize(
    "given", [3, [3], [{"name": "Grams"}], [{"weight": 1.0}], [{"name": "PaKA", "weights": 1.0}], ["PaKA"]]
)
def test_refuses_other_regularizers(given):
    with pytest.raises(ValueError, match="Received: regularizers="):
        keras_ssl.IBOT(tiny_vit(), projector=(4,), out_dim=5, regularizers=given)


@pytest.mark.parametrize(
    ("kind", "name", "bad"),
    [
        (PaKA, "weight", -1.0),
        (PaKA, "most_patches", 1),
        (GramAnchoring, "weight", float("nan")),
        (GramAnchoring, "start_steps", -1),
        (GramAnchoring, "renew_steps", 0),
        (GramAnchoring, "renewals", 0.5),
    ],
)
def test_refuses_bad_arguments(kind, name, bad):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        kind(**{name: bad})


# Nested heads ------------------------------------------------------------------------------------------------------


def dino(**options):
    keras.utils.set_random_seed(0)
    return keras_ssl.DINO(
        tiny_encoder(), projector=(24, 12), out_dim=10, freeze_steps=0, momentum=0.9, views=cheap_crops(), **options
    )


@pytest.mark.parametrize("iterations", [0, 3])
@pytest.mark.parametrize("kind", ["DINO", "IBOT", "DINOv2"])
def test_the_loss_is_the_sum_over_heads(kind, iterations):
    """Each head by itself, as a model that has it alone."""
    options = {"sinkhorn_iterations": iterations, "nested": (1.0, 0.5)}
    if kind == "DINO":
        model = dino(**options)
    else:
        model = tiny_model(kind, **{**options, "regularizers": ()}, koleo_weight=0.0)
    assert model.counts == (10, 5)
    center = np.linspace(-0.2, 0.2, 15).astype("float32")
    model.centering._center.assign(center)
    step = Step.at(6)
    z = model.embed({"x": IMAGES}, step)
    rng = np.random.default_rng(0)
    split = ("s", "t", "patch_student", "patch_teacher")
    z = {
        name: keras.ops.convert_to_tensor(rng.uniform(-1, 1, tuple(part.shape)).astype("float32"))
        if name.rstrip("1234") in split
        else part
        for name, part in z.items()
    }
    found = value(engine.reduce(model, z, step).loss)
    total = 0.0
    for start, stop in ((0, 10), (10, 15)):
        single = (
            dino(sinkhorn_iterations=iterations)
            if kind == "DINO"
            else tiny_model(
                kind,
                sinkhorn_iterations=iterations,
                nested=(1.0,),
                regularizers=(),
                koleo_weight=0.0,
                out_dim=stop - start,
            )
        )
        if kind == "DINO" and stop - start == 5:
            single = keras_ssl.DINO(tiny_encoder(), projector=(24, 12), out_dim=5, sinkhorn_iterations=iterations)
        single.centering._center.assign(center[start:stop])
        part = {name: x[..., start:stop] if name.rstrip("1234") in split else x for name, x in z.items()}
        total += value(engine.reduce(single, part, step).loss)
    assert found == pytest.approx(total, rel=1e-5)


def test_one_nested_head_is_the_plain_method():
    plain, one = (dino(**options) for options in ({}, {"nested": (1.0,)}))
    assert plain.get_config()["nested"] == [1.0] and type(one.projector) is type(plain.projector)
    assert value(reduced(plain).loss) == value(reduced(one).loss)


def test_expected_loss_of_nested_heads_is_the_sum():
    nested = dino(nested=(1.0, 0.5)).expected_loss(6)
    plain = dino().expected_loss(6)
    half = keras_ssl.DINO(tiny_encoder(), projector=(24, 12), out_dim=5).expected_loss(6)
    assert nested.initial == pytest.approx(plain.initial + half.initial)
    assert nested.floor == pytest.approx(plain.floor + half.floor)


def test_refuses_other_shares():
    with pytest.raises(ValueError, match="`nested`.*Received: nested="):
        dino(nested=(0.5,))


def test_trains_with_all_of_them():
    model = tiny_model("DINOv2")
    model.compile("adam", jit_compile=False)
    history = model.fit(IMAGES, batch_size=6, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all() and {"gram", "patch_kernel"} <= set(history)
