import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Compose, Identity, MultiView, RandomApply, RandomFlip, RandomResizedCrop


def test_each_pipeline_draws_its_own_numbers(see):
    images = np.random.default_rng(0).random((64, 2, 2, 1), dtype="float32")
    first, second = see(MultiView([RandomFlip(0.5), RandomFlip(0.5)]), images)
    flipped = [(view != images).any(axis=(1, 2, 3)) for view in (first, second)]
    assert 0.2 < (flipped[0] == flipped[1]).mean() < 0.8


def test_one_pipeline_gives_a_list(unit, see):
    (only,) = see(MultiView([Identity()]), unit)
    np.testing.assert_array_equal(only, unit)


def test_says_that_its_result_is_a_list():
    views = MultiView([Identity(), Identity()])
    assert views.makes_list and not Identity().makes_list
    for holder in (MultiView, Compose):
        with pytest.raises(ValueError, match="must hold views that give one result each"):
            holder([views])
    with pytest.raises(ValueError, match="Received: "):
        RandomApply(views, 0.5)


@pytest.mark.slow
def test_conforms_with_results_of_two_sizes():
    check_view(MultiView([RandomResizedCrop(8), RandomResizedCrop(4)]), image_size=8)
