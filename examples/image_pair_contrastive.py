"""Image-to-image CLIP on the embedded digits, a digit's shape being an identity: `python
examples/image_pair_contrastive.py` (about two minutes; `--small` takes seconds)."""

import sys

import keras

import keras_ssl
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.coloured_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.coloured_digits("test", count=128 if small else 2000)

encoder = keras_ssl.encoders.ConvNet()
model = keras_ssl.ImagePairContrastive(encoder, projector=(64,), temperature=0.2)
model.compile(keras.optimizers.Adam(2e-3), jit_compile=False)


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
# Two images of a digit are a pair; no digit is found twice in a batch, so a batch holds at most ten.
pairs = keras_ssl.data.identity_pairs(train, train_labels, batch_size=10)
model.fit(pairs, epochs=1 if small else 5)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
