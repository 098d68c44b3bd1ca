"""The papers' multi-crop views, and those of the embedded data."""

import pytest

from keras_ssl.hub.view_pipeline import pipeline
from keras_ssl.testing.check_view import check_view
from keras_ssl.views import (
    ColorJitter,
    Compose,
    GaussianBlur,
    MultiCrop,
    RandomApply,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    colored_digits,
    dino,
    swav,
)


def shared(size, scale, jitter, interpolation):
    return [
        RandomResizedCrop(size, scale, interpolation=interpolation),
        RandomFlip(0.5),
        RandomApply(ColorJitter(*jitter), 0.8),
        RandomGrayscale(0.2),
    ]


def blur(probability):
    return RandomApply(GaussianBlur((0.1, 2.0)), probability)


def test_swav_is_the_papers():
    jitter = (0.8, 0.8, 0.8, 0.2)
    large = Compose([*shared(224, (0.14, 1.0), jitter, "bilinear"), blur(0.5)])
    small = Compose([*shared(96, (0.05, 0.14), jitter, "bilinear"), blur(0.5)])
    assert swav(size=224, local_size=96) == MultiCrop([large] * 2, [small] * 6)


def test_dino_is_the_papers():
    jitter = (0.4, 0.4, 0.2, 0.1)
    large = shared(224, (0.4, 1.0), jitter, "bicubic")
    small = Compose([*shared(96, (0.05, 0.4), jitter, "bicubic"), blur(0.5)])
    first = Compose([*large, blur(1.0)])
    second = Compose([*large, blur(0.1), RandomApply(Solarize(0.5), 0.2)])
    assert dino(size=224, local_size=96) == MultiCrop([first, second], [small] * 8)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [swav, dino])
def test_options(recipe):
    views = recipe(size=8, local_size=4, local_copies=1, strength=0.5, blur=False, local_scale=(0.3, 0.5))
    assert len(views.local_views) == 1 and len(recipe(local_copies=0)) == 2
    ops = [op.op if isinstance(op, RandomApply) else op for op in views.local_views[0].views]
    assert not any(isinstance(op, GaussianBlur) for op in ops)
    assert ops[0].size == (4, 4) and ops[0].scale == (0.3, 0.5)
    check_view(views, image_size=8)
    with pytest.raises(ValueError, match="Received: strength=6"):
        recipe(strength=6)
    with pytest.raises(ValueError, match="Received: local_copies=-1"):
        recipe(local_copies=-1)


def test_colored_digits_with_local_crops():
    views = colored_digits(copies=2, local_copies=3, local_size=8, local_scale=(0.2, 0.4))
    assert isinstance(views, MultiCrop) and len(views.local_views) == 3
    large, small = views.global_views[0].views, views.local_views[0].views
    assert large == colored_digits().views[0].views and small[1:] == large[1:]
    assert small[0] == RandomResizedCrop(8, (0.2, 0.4))
    with pytest.raises(ValueError, match="Received: local_copies=-1"):
        colored_digits(local_copies=-1)


def test_a_recipe_can_put_local_crops_together():
    crop = {"name": "RandomResizedCrop", "size": 8}
    views = pipeline([crop], 2, [{**crop, "size": 4}, {"name": "RandomFlip"}], 3)
    assert views == MultiCrop(
        [Compose([RandomResizedCrop(8)])] * 2, [Compose([RandomResizedCrop(4), RandomFlip()])] * 3
    )
    with pytest.raises(ValueError, match=r"`local_ops` must be .* Received: local_ops=\[\]"):
        pipeline([crop], 2, [])
