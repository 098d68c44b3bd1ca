import pytest

from keras_ssl.callbacks import OnlineLinearProbe
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.evaluation import extract_features, linear_probe


def test_equals_offline(make_model, images):
    model = make_model()
    callback = OnlineLinearProbe(*images, regularization=0.01, every=2)
    history = model.fit(images[0], epochs=2, verbose=0, callbacks=[callback]).history
    x_train, y_train, x_test, y_test = labelled_split(*images, None, None)
    train, test = extract_features(model, x_train), extract_features(model, x_test)
    assert history["linear_accuracy"] == [linear_probe(train, y_train, test, y_test, 0.01)]
    assert history["linear_accuracy"][0] > 0.8


@pytest.mark.parametrize("arguments", [{"regularization": 0}, {"max_iter": 0}, {"batch_size": -1}])
def test_bad_arguments(images, arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        OnlineLinearProbe(*images, **arguments)
