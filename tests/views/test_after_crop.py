import keras
import numpy as np
import pytest

from keras_ssl.random import Stream
from keras_ssl.views import Compose, MultiView, RandomFlip, RandomResizedCrop, byol, swav
from keras_ssl.views.after_crop import AfterCrop, leading, pipelines_of, without_crops


def cut(views, images, stream):
    """The crops alone, each with the draws that its pipeline begins with."""
    crops = []
    for pipeline in pipelines_of(views):
        own = Stream(*stream.key, stream.positions, first_draw=stream.next_draw)
        crops.append(leading(pipeline).apply(images, own))
        pipeline.apply(images, stream)
    return crops


@pytest.mark.parametrize("views", [byol(12), swav(12, 8, local_copies=2), RandomResizedCrop(8)])
def test_the_rest_of_the_views_of_crops_are_the_views(views):
    images = np.random.default_rng(0).uniform(size=(3, 16, 20, 3)).astype("float32")
    new = lambda: Stream(seed=4, step=2, positions=np.arange(3))  # noqa: E731
    expected = views.apply(images, new())
    rest, stream = without_crops(views), new()
    for pipeline, crop, view in zip(
        rest.views, cut(views, images, new()), expected if isinstance(expected, list) else [expected], strict=True
    ):
        got = pipeline.apply(crop, stream)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(got), keras.ops.convert_to_numpy(view))


def test_shared_pipelines_stay_shared():
    views = swav(12, 8, local_copies=3)
    rest = without_crops(views)
    assert len(rest) == 5 and len({id(view) for view in rest.views}) == 2
    first, second = without_crops(byol(8)).views
    assert first.views[0] is second.views[0] and isinstance(first.views[0], AfterCrop)
    assert MultiView.from_config(rest.get_config()) == rest and not AfterCrop().is_random


def test_a_crop_deeper_inside_is_found():
    inner = Compose([Compose([RandomResizedCrop(8), RandomFlip()]), RandomFlip()])
    assert without_crops(inner).views == [Compose([Compose([AfterCrop(), RandomFlip()]), RandomFlip()])]


@pytest.mark.parametrize(
    "views",
    [
        RandomFlip(),
        Compose([RandomFlip(), RandomResizedCrop(8)]),
        MultiView([RandomResizedCrop(8), RandomFlip()]),
        lambda images, stream: images,
    ],
)
def test_refuses_pipelines_that_do_not_begin_with_a_crop(views):
    with pytest.raises(ValueError, match="each begins with a `RandomResizedCrop`. Received: crops="):
        pipelines_of(views)


def test_compiled_in_parts():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("programs of TensorFlow")
    from keras_ssl.views.view_programs import ViewPrograms

    views = without_crops(swav(12, 8, local_copies=1))
    draws = np.random.default_rng(0)
    parts = tuple(draws.integers(0, 256, (5, size, size, 3), "uint8") for size in (12, 12, 8))
    programs = ViewPrograms(views)
    stream = Stream(1, 7, np.arange(5))
    expected = [
        pipeline.apply(part.astype("float32") / 255, stream) for pipeline, part in zip(views.views, parts, strict=True)
    ]
    for got, view in zip(programs(parts, 1, tf.constant(7), tf.range(5)), expected, strict=True):
        np.testing.assert_allclose(got, view, atol=1e-5)
    with pytest.raises(ValueError, match="each of 3 pipelines. Received: 2 parts"):
        programs(parts[:2], 1, tf.constant(7), tf.range(5))
