"""MoCo on the embedded digits: `python examples/moco.py` (a minute and a half; `--small` takes seconds)."""

import sys

import keras_ssl
from keras_ssl import views
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)

model = keras_ssl.MoCo(
    keras_ssl.encoders.ConvNet(),
    projector=(128, 64),
    queue_size=1024,
    batch_norm=True,
    momentum=0.9,  # a short run needs a teacher that moves
    views=views.colored_digits(strength=0.5, gray=0.4, invert=0.1),
)
model.compile(keras_ssl.optimizers.LARS(1.0, weight_decay=1e-4))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, batch_size=64, epochs=1 if small else 15)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
