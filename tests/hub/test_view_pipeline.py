import pytest

from keras_ssl.hub.view_pipeline import pipeline
from keras_ssl.views import (
    ColorJitter,
    Compose,
    GaussianBlur,
    MultiView,
    RandomApply,
    RandomFlip,
    RandomResizedCrop,
)

CROP = {"name": "RandomResizedCrop", "size": 8, "scale": [0.5, 1.0]}


def test_it_is_what_the_ops_make_by_hand():
    made = pipeline(
        [
            CROP,
            {"name": "RandomFlip", "probability": 0.3},
            {"name": "ColorJitter", "hue": 0.5, "probability": 0.8},
            {"name": "GaussianBlur"},
        ],
        copies=3,
    )
    by_hand = Compose(
        [
            RandomResizedCrop(8, scale=(0.5, 1.0)),
            RandomFlip(0.3),  # has a probability of its own
            RandomApply(ColorJitter(hue=0.5), 0.8),
            GaussianBlur(),
        ]
    )
    assert made == MultiView([by_hand] * 3)


@pytest.mark.parametrize(
    "ops, message",
    [
        ([], "`ops` must be a list of tables.*Received: ops=\\[\\]"),
        ("crop", "`ops` must be a list of tables"),
        ([3], "`ops` must be a list of tables"),
        ([{"name": "RandomResizeCrop"}], "Closest: RandomResizedCrop.*Received: name='RandomResizeCrop'"),
        ([{"name": "Compose", "views": []}], "no such name"),
        ([{}], "no such name.*Received: name=None"),
        (
            [{**CROP, "sise": 3}],
            "no setting 'sise'; it knows size, scale, ratio, interpolation, probability. Rec",
        ),
        ([{**CROP, "size": -3}], "`size`"),
    ],
)
def test_mistakes_are_named(ops, message):
    with pytest.raises(ValueError, match=message):
        pipeline(ops)


def test_the_number_of_views_is_checked():
    with pytest.raises(ValueError, match="`copies` must be a positive integer. Received: copies=0"):
        pipeline([CROP], copies=0)
