import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.random import Stream
from keras_ssl.testing.check_view import check_view
from keras_ssl.training.replicas import check_supported
from keras_ssl.views import BatchStylesStandardization, Compose, MultiView, RandomApply, RandomFlip, Solarize
from keras_ssl.views.functional.low_frequencies import replace_low_frequencies
from tests.objectives.tiny import encoder

IMAGES = np.random.default_rng(0).random((6, 8, 8, 3)).astype("float32")


def run(view, images=IMAGES, step=0):
    return np.asarray(keras.ops.convert_to_numpy(view(images, Stream(0, step, np.arange(len(images))))))


@pytest.mark.parametrize("view", [BatchStylesStandardization(), BatchStylesStandardization(0.3)])
def test_keeps_the_contract_of_views(view):
    check_view(view, image_size=8)
    check_view(Compose([RandomFlip(0.5), view]), image_size=8)


@pytest.mark.slow
def test_every_image_is_chosen_in_turn_and_is_itself_unchanged():
    chosen = []
    for step in range(60):
        result = run(BatchStylesStandardization(0.3), step=step)
        same = [i for i in range(6) if np.abs(result[i] - IMAGES[i]).max() < 1e-5]
        assert len(same) == 1
        chosen += same
    assert set(chosen) == set(range(6))
    reference = IMAGES[chosen[-1]][None]
    expected = np.clip(keras.ops.convert_to_numpy(replace_low_frequencies(IMAGES, reference, 0.3)), 0, 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.slow
def test_ratio_zero_and_a_batch_of_equal_images_are_unchanged():
    np.testing.assert_allclose(run(BatchStylesStandardization(0.0)), IMAGES, atol=1e-6)
    equal = np.repeat(IMAGES[:1], 4, axis=0)
    np.testing.assert_allclose(run(BatchStylesStandardization(0.5), equal), equal, atol=1e-6)


def test_images_share_their_mean_color_before_clipping():
    dim = 0.4 + 0.05 * IMAGES * np.arange(1, 7, dtype="float32")[:, None, None, None] / 6
    means = run(BatchStylesStandardization(0.01), dim).mean((1, 2))
    np.testing.assert_allclose(means, means[:1].repeat(6, 0), atol=1e-5)
    assert np.ptp(dim.mean((1, 2)), axis=0).min() > 0.01


def test_what_contains_it_needs_the_whole_batch_too():
    view = BatchStylesStandardization()
    assert all(v.whole_batch for v in (view, Compose([view]), MultiView([view, view]), RandomApply(view)))
    assert not MultiView([Solarize()]).whole_batch


@pytest.mark.slow
def test_trains_an_objective():
    views = MultiView([Compose([BatchStylesStandardization(), RandomFlip(0.5)])] * 2)
    model = keras_ssl.SimCLR(encoder(), projector=(8, 4), views=views)
    model.compile("sgd")
    assert np.isfinite(model.fit(IMAGES, batch_size=6, verbose=0).history["loss"][0])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="arrays are global on JAX")
def test_is_refused_where_replicas_hold_parts_of_the_batch(monkeypatch):
    model = keras_ssl.SimCLR(encoder(), projector=(8, 4), views=MultiView([BatchStylesStandardization()] * 2))
    model.compile("sgd", jit_compile=False)
    check_supported(model)
    monkeypatch.setattr("keras_ssl.training.replicas.replica_count", lambda model: 2)
    with pytest.raises(ValueError, match="rest of its batch.*Received: views="):
        check_supported(model)


@pytest.mark.parametrize("bad", [-0.1, 1.5, (0.5, 0.1)])
def test_errors(bad):
    with pytest.raises(ValueError, match="`ratio` must lie.*Received: ratio="):
        BatchStylesStandardization(bad)
