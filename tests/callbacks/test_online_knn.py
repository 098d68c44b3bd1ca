import numpy as np
import pytest

from keras_ssl.callbacks import OnlineKNN
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.evaluation import extract_features, knn_accuracy


def test_equals_offline(make_model, images):
    model = make_model()
    callbacks = [
        OnlineKNN(*images, k=5, temperature=0.5, batch_size=16),
        OnlineKNN(images[0][::2], images[1][::2], images[0][1::2], images[1][1::2], k=3, name="other"),
    ]
    history = model.fit(images[0], epochs=2, verbose=0, callbacks=callbacks).history
    x_train, y_train, x_test, y_test = labelled_split(*images, None, None)
    train, test = extract_features(model, x_train), extract_features(model, x_test)
    assert history["knn_accuracy"][-1] == knn_accuracy(train, y_train, test, y_test, 5, 0.5)
    features = extract_features(model, images[0])
    assert history["other"][-1] == knn_accuracy(features[::2], images[1][::2], features[1::2], images[1][1::2], 3)
    assert history["knn_accuracy"][-1] > 0.6  # the colors of the classes show through any encoder


def test_labels_that_say_nothing_are_at_chance(make_model, images):
    labels = np.random.default_rng(0).integers(0, 3, 60)
    callback = OnlineKNN(images[0], labels, images[0], np.full(60, 7), k=5)
    assert make_model().fit(images[0], verbose=0, callbacks=[callback]).history["knn_accuracy"] == [0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 49}, r"number of training features \(48\). Received: k=49"),
        ({"temperature": -1}, r"Received: temperature=-1"),
        ({"every": 0}, r"Received: every=0"),
    ],
)
def test_bad_arguments(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineKNN(*images, **arguments)
