import numpy as np
import pytest

from keras_ssl.evaluation import contour_accuracy, region_similarity, video_segmentation


def test_averages_frames_then_objects():
    rng = np.random.default_rng(0)
    found, true = rng.integers(0, 4, (5, 6, 7)), rng.integers(0, 4, (5, 6, 7))
    true[0][true[0] == 3] = 0  # what appears later is no object
    regions, outlines = [], []
    for label in (1, 2):
        pairs = [(found[t] == label, true[t] == label) for t in (1, 2, 3)]
        regions.append(np.mean([region_similarity(*pair) for pair in pairs]))
        outlines.append(np.mean([contour_accuracy(*pair) for pair in pairs]))
    scores = video_segmentation(found, true)
    assert scores["J"] == pytest.approx(np.mean(regions))
    assert scores["F"] == pytest.approx(np.mean(outlines))
    assert scores["J&F"] == pytest.approx((np.mean(regions) + np.mean(outlines)) / 2)
    assert video_segmentation(true, true) == {"J": 1, "F": 1, "J&F": 1}
    assert video_segmentation(found[:2], true[:2])["J"] < 1  # the only frame there is to score


@pytest.mark.parametrize(
    ("found", "true", "message"),
    [
        (np.ones((1, 2, 2), int), np.ones((1, 2, 2), int), r"Received: labels.shape=\(1, 2, 2\)"),
        (np.ones((2, 2, 2), int), np.ones((2, 2, 3), int), r"true_labels.shape=\(2, 2, 3\)"),
        (np.ones((2, 2, 2)), np.ones((2, 2, 2), int), r"Received: labels.dtype=float64"),
        (np.ones((2, 2, 2), int), np.zeros((2, 2, 2), int), r"no object.*Received: background=0"),
    ],
)
def test_bad_arguments(found, true, message):
    with pytest.raises(ValueError, match=message):
        video_segmentation(found, true)
