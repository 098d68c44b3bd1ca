import keras
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import (
    ColorJitter,
    GaussianBlur,
    MultiView,
    RandomApply,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    barlow_twins,
    byol,
    colored_digits,
    moco,
    ressl,
    simclr,
    vicreg,
)

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
RECIPES = {"simclr": simclr, "barlow_twins": barlow_twins, "byol": byol, "moco": moco, "vicreg": vicreg}


def parts(pipeline):
    """What a pipeline does, in order: (view, probability)."""
    return [(op.op, op.probability) if isinstance(op, RandomApply) else (op, None) for op in pipeline.views]


def common(interpolation, jitter, min_scale):
    return [
        (RandomResizedCrop(None, (min_scale, 1.0), interpolation=interpolation), None),
        (RandomFlip(0.5), None),
        (ColorJitter(*jitter), 0.8),
        (RandomGrayscale(0.2), None),
    ]


def test_simclr_is_the_papers():
    views = simclr()
    assert len(views) == 2 and views.views[0] == views.views[1]
    expected = common("bicubic", (0.8, 0.8, 0.8, 0.2), 0.08) + [(GaussianBlur((0.1, 2.0)), 0.5)]
    assert parts(views.views[0]) == expected


@pytest.mark.parametrize("recipe", [barlow_twins, byol])
def test_barlow_twins_and_byol_are_asymmetric(recipe):
    first, second = (parts(pipeline) for pipeline in recipe().views)
    expected = common("bicubic", (0.4, 0.4, 0.2, 0.1), 0.08)
    assert first == expected + [(GaussianBlur((0.1, 2.0)), 1.0)]
    assert second == expected + [(GaussianBlur((0.1, 2.0)), 0.1), (Solarize(0.5), 0.2)]


def test_vicreg_is_byol_with_both_views_alike():
    views = vicreg()
    assert len(views) == 2 and views.views[0] == views.views[1]
    expected = common("bicubic", (0.4, 0.4, 0.2, 0.1), 0.08)
    assert parts(views.views[0]) == expected + [(GaussianBlur((0.1, 2.0)), 0.5), (Solarize(0.5), 0.1)]


def test_moco_2_is_the_papers():
    views = moco()
    assert views == moco(version=2) and views.views[0] == views.views[1]
    expected = common("bilinear", (0.4, 0.4, 0.4, 0.1), 0.2) + [(GaussianBlur((0.1, 2.0)), 0.5)]
    assert parts(views.views[0]) == expected


def test_moco_3_is_byol_with_larger_crops():
    first, second = (parts(pipeline) for pipeline in moco(version=3).views)
    expected = common("bilinear", (0.4, 0.4, 0.2, 0.1), 0.2)
    assert first == expected + [(GaussianBlur((0.1, 2.0)), 1.0)]
    assert second == expected + [(GaussianBlur((0.1, 2.0)), 0.1), (Solarize(0.5), 0.2)]


@pytest.mark.parametrize("name", RECIPES)
def test_options(name):
    views = RECIPES[name](size=24, strength=0.5, blur=False, min_scale=0.3)
    assert isinstance(views, MultiView)
    full = RECIPES[name]()
    for pipeline, original in zip(views.views, full.views, strict=True):
        got, before = dict(parts(pipeline)), dict(parts(original))
        kinds = {type(op): op for op in got}
        assert GaussianBlur not in kinds
        assert kinds[RandomResizedCrop].size == (24, 24) and kinds[RandomResizedCrop].scale == (0.3, 1.0)
        jitter = next(op for op in before if isinstance(op, ColorJitter)).get_config()
        halved = {name: value / 2 for name, value in jitter.items()}
        assert kinds[ColorJitter].get_config() == pytest.approx(halved)


@pytest.mark.parametrize("name", RECIPES)
def test_bad_arguments(name):
    with pytest.raises(ValueError, match="`strength` must lie in .*Received: strength=6"):
        RECIPES[name](strength=6)
    with pytest.raises(ValueError, match="`strength` must lie in .*Received: strength=-1"):
        RECIPES[name](strength=-1)
    with pytest.raises(ValueError, match="size=0"):
        RECIPES[name](size=0)
    with pytest.raises(ValueError, match=r"scale=\(0, 1.0\)"):
        RECIPES[name](min_scale=0)


def test_unknown_version():
    with pytest.raises(ValueError, match="`version` must be 2 or 3. Received: version=1"):
        moco(version=1)


@pytest.mark.slow
def test_the_asymmetric_pair_conforms():
    check_view(barlow_twins(min_scale=0.3), image_size=8)


@pytest.mark.slow if ON_TENSORFLOW else pytest.mark.long  # ten seconds each on JAX, of ops that have tests there
@pytest.mark.parametrize(
    "views",
    [
        pytest.param(simclr(), id="simclr"),
        pytest.param(simclr(8, 0.5, blur=False), id="simclr_cifar", marks=pytest.mark.long),
        pytest.param(barlow_twins(), id="barlow_twins", marks=pytest.mark.long),
        pytest.param(byol(), id="byol"),
        pytest.param(moco(), id="moco_2", marks=pytest.mark.long),
        pytest.param(moco(version=3), id="moco_3", marks=pytest.mark.long),
    ],
)
def test_every_recipe_conforms(views):
    check_view(views)


@pytest.mark.slow
def test_colored_digits_views_draw_different_numbers_of_one_pipeline():
    views = colored_digits(strength=0.5, min_scale=0.3, gray=0.4, invert=0.1, copies=3)
    assert len(views) == 3 and views.views[0] == views.views[2]
    assert parts(views.views[0]) == [
        (RandomResizedCrop(None, (0.3, 1.0)), None),
        (ColorJitter(0.4, 0.4, 0.4, 0.5), None),
        (RandomGrayscale(0.4), None),
        (Solarize(0.0), 0.1),
    ]
    check_view(views, image_size=8)


def test_colored_digits_copies():
    with pytest.raises(ValueError, match="copies=0"):
        colored_digits(copies=0)


def test_ressl_has_a_strong_view_and_a_weak_one():
    strong, weak = ressl().views
    assert strong == moco().views[0]
    assert parts(weak) == common("bilinear", (0.4, 0.4, 0.4, 0.1), 0.2)[:2]
