"""An objective's own views at another size, milder, without blur or color."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import views
from keras_ssl.random import Stream
from keras_ssl.views import OwnViews


@pytest.mark.parametrize("paper", [views.simclr, views.barlow_twins, views.vicreg, views.moco, views.ressl])
def test_equals_the_papers_function_with_these_arguments(paper):
    given = {"size": 24, "strength": 0.5, "blur": False, "min_scale": 0.4}
    assert OwnViews(**given).of(paper()) == paper(**given)
    assert OwnViews(size=24, color=False).of(paper()) == paper(size=24, color=False)


def test_nothing_changes_by_itself():
    for own in (views.simclr(), views.dino(), views.swav(size=8)):
        assert OwnViews().of(own) == own
    function = lambda images, stream: [images, images]  # noqa: E731
    assert OwnViews(size=8).of(function) is function


def test_local_crops_have_a_size_and_a_scale_of_their_own():
    own = OwnViews(size=16, local_size=8, min_scale=0.5, blur=False).of(views.dino(local_copies=2))
    expected = views.dino(16, 8, local_copies=2, blur=False, global_scale=(0.5, 1.0))  # 0.05 to 0.4 is below the least
    assert own == expected
    made = own(np.zeros((2, 20, 20, 3), "uint8"), Stream(seed=0, step=0, positions=np.arange(2)))
    assert [view.shape[1] for view in made] == [16, 16, 8, 8]


def test_a_size_that_is_said_stays():
    assert OwnViews(size=16).of(views.RandomResizedCrop(8)).size == (8, 8)


def test_views_of_which_nothing_is_left_are_the_images():
    own = OwnViews(blur=False).of(views.MultiView([views.RandomApply(views.GaussianBlur())] * 2))
    assert own == views.MultiView([views.Identity()] * 2)


def test_equal_pipelines_stay_one_object():
    own = OwnViews(size=8, blur=False).of(views.simclr())
    assert own.views[0] is own.views[1]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_objective_takes_them_and_keeps_the_result(channels):
    images = keras.Input((None, None, channels))
    encoder = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(images)))
    model = keras_ssl.BarlowTwins(encoder, projector=(4,), views=OwnViews(size=8, color=channels == 3))
    assert model.views == views.barlow_twins(size=8, color=channels == 3)
    again = keras_ssl.BarlowTwins.from_config(model.get_config())
    assert again.views == model.views


def test_a_recipe_names_them():
    recipe = keras_ssl.Recipe.read("simclr_digits").override("views.name=own", "views.size=16", "views.blur=false")
    assert recipe.build_model().views == views.simclr(size=16, blur=False)
    with pytest.raises(ValueError, match="views.blurr=1"):
        recipe.override("views.blurr=1")
