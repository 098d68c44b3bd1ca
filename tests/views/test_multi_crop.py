import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Compose, Identity, MultiCrop, MultiView, RandomFlip, RandomResizedCrop, Solarize
from keras_ssl.views.view import deserialize_view, serialize_view


def crops(local=3):
    return MultiCrop(
        [RandomResizedCrop(8, scale=(0.4, 1.0))] * 2, [RandomResizedCrop(4, scale=(0.1, 0.4))] * local if local else []
    )


@pytest.mark.slow
def test_global_views_come_first_and_each_draws_its_own_numbers(see):
    images = np.random.default_rng(0).random((4, 8, 8, 3), dtype="float32")
    views = see(crops(), images)
    assert [view.shape for view in views] == [(4, 8, 8, 3)] * 2 + [(4, 4, 4, 3)] * 3
    assert np.abs(views[0] - views[1]).max() > 0.01 and np.abs(views[3] - views[4]).max() > 0.01


@pytest.mark.slow
def test_without_local_views_it_is_a_multi_view(see):
    images = np.random.default_rng(0).random((4, 8, 8, 3), dtype="float32")
    plain = see(MultiView([RandomResizedCrop(8, scale=(0.4, 1.0))] * 2), images)
    for got, expected in zip(see(crops(0), images), plain, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
def test_conforms_with_two_sizes():
    check_view(crops(), image_size=8)


def test_randomness_of_local_views_counts():
    assert MultiCrop([Identity()], [RandomFlip(0.5)]).is_random and not MultiCrop([Identity()], [Identity()]).is_random


def test_the_config_keeps_which_are_global():
    view = deserialize_view(serialize_view(crops()))
    assert (len(view.global_views), len(view.local_views), len(view)) == (2, 3, 5) and view == crops()
    assert MultiCrop([Identity()] * 2, [Identity()]) != MultiCrop([Identity()], [Identity()] * 2)


def test_from_sizes():
    view = MultiCrop.from_sizes([Solarize()], global_copies=1, local_copies=2, global_size=8, local_size=4)
    assert view == MultiCrop(
        [Compose([RandomResizedCrop(8, scale=(0.14, 1.0)), Solarize()])],
        [Compose([RandomResizedCrop(4, scale=(0.05, 0.14)), Solarize()])] * 2,
    )
    assert len(MultiCrop.from_sizes(local_copies=0)) == 2


def test_errors():
    with pytest.raises(ValueError, match=r"Received: global_views=\[\]"):
        MultiCrop([])
    with pytest.raises(ValueError, match="list of views"):
        MultiCrop([Identity()], [3])
    with pytest.raises(ValueError, match="`global_copies` must be a positive integer. Received: global_copies=0"):
        MultiCrop.from_sizes(global_copies=0)
    with pytest.raises(ValueError, match="at least 0. Received: local_copies=-1"):
        MultiCrop.from_sizes(local_copies=-1)
