"""Sizes of heads, queues and teachers that follow from the size of a training."""

import numpy as np
import pytest

from keras_ssl.training import DataScale

pytestmark = pytest.mark.once


def scale(images=3000, feature_dim=128, batch_size=128, updates=3000):
    return DataScale(images, 32, 3, feature_dim, batch_size, updates)


def test_the_papers_values_stay_on_a_million_images():
    large = scale(1_281_167, 2048, 4096, 100_000)
    assert not large.small and scale(99_999).small and not scale(None).small
    assert large.widths((8192, 8192, 8192)) == (8192, 8192, 8192)
    assert large.queue(65536) == 65536 and large.momentum(0.996) == 0.996 and large.groups(65536) == 65536


def test_heads_are_as_wide_as_a_few_times_the_features():
    assert scale(feature_dim=128).widths((8192, 200)) == (256, 200)
    assert scale(images=None, feature_dim=128).width(8192) == 512


@pytest.mark.parametrize("images", [16, 100, 300, 3000, 30_000, 99_999])
@pytest.mark.parametrize("batch_size", [8, 64, 128])
def test_a_queue_holds_whole_batches_and_less_than_the_data(images, batch_size):
    rows = scale(images, batch_size=batch_size).queue(65536)
    assert rows % batch_size == 0 and rows >= batch_size
    assert rows <= max(images / 3, 2 * batch_size) and scale(images, batch_size=batch_size).queue(0) == 0
    assert scale(images, batch_size=batch_size).queue(batch_size - 1) == batch_size  # it must hold a batch


@pytest.mark.parametrize(
    ("updates", "momentum"), [(None, 0.996), (10, 0.9), (1000, 0.97), (3000, 0.99), (10**6, 0.996)]
)
def test_a_teacher_forgets_within_the_training(updates, momentum):
    assert scale(updates=updates).momentum(0.996) == pytest.approx(momentum)


@pytest.mark.parametrize("images", [16, 300, 3000, 99_999])
def test_a_group_has_eight_images_where_there_are_enough(images):
    groups = scale(images).groups(65536)
    assert np.log2(groups) % 1 == 0 and (groups == 16 or groups * 8 <= images < groups * 16)
    assert scale(images).groups(10) == 10


@pytest.mark.parametrize("width", [16, 48, 96, 100, 384])
def test_heads_divide_their_width(width):
    heads = scale().heads(width, 12)
    assert width % heads == 0 and (heads == 1 or width // heads >= 16) and heads <= 12
