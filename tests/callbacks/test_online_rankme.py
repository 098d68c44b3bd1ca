import numpy as np
import pytest

from keras_ssl.callbacks import OnlineRankMe
from keras_ssl.evaluation import extract_features, rankme


def test_equals_offline(make_model, images):
    model = make_model()
    history = model.fit(images[0], epochs=2, verbose=0, callbacks=[OnlineRankMe(images[0])]).history
    assert history["rankme"][-1] == pytest.approx(rankme(extract_features(model, images[0])), rel=1e-5)
    assert 1 < history["rankme"][-1] < 8


def test_collapse_shows(make_model, images):
    model = make_model()
    model.encoder.layers[-2].kernel.assign(np.zeros((48, 8)))
    model.encoder.trainable = False
    model.compile("sgd", run_eagerly=True)
    model.encoder.layers[-1].beta.assign(np.ones(8))
    history = model.fit(images[0], verbose=0, callbacks=[OnlineRankMe(images[0])]).history
    assert history["rankme"] == [pytest.approx(1, abs=1e-3)]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`x` must be a batch of images. Received: x.shape=\(3,\)"):
        OnlineRankMe(np.zeros(3))
