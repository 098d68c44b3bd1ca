"""Barlow Twins on the embedded digits: `python examples/barlow_twins.py` (two minutes; `--small` takes seconds)."""

import sys

import keras

import keras_ssl
from keras_ssl import views
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)

encoder = keras_ssl.encoders.ConvNet()
# On a small encoder a few hundred dimensions do; the redundancy weighs more than among the paper's 8192.
model = keras_ssl.BarlowTwins(encoder, projector=(256, 256), redundancy_weight=0.02, views=views.colored_digits())
model.compile(keras.optimizers.Adam(2e-3))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, batch_size=128, epochs=1 if small else 30)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
