"""SupCon on the embedded digits, a tenth of them labelled: `python examples/sup_con.py` (about two minutes; `--small`
takes seconds)."""

import sys

import keras
import numpy as np

import keras_ssl
from keras_ssl import views
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)
known = np.where(np.arange(len(train)) % 10 == 0, train_labels, -1)  # -1: unlabeled

encoder = keras_ssl.encoders.ConvNet()
model = keras_ssl.SupCon(encoder, projector=(128, 64), temperature=0.2, batch_norm=True, views=views.colored_digits())
model.compile(keras.optimizers.Adam(2e-3))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, known, batch_size=128, epochs=1 if small else 20)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
