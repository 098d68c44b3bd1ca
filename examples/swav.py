"""SwAV on the embedded digits: `python examples/swav.py` (minutes; `--small` takes seconds)."""

import sys

import keras_ssl
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)

encoder = keras_ssl.encoders.ConvNet()
# Local crops (`local_copies=6, local_size=...`) pay on larger images: of 16 pixels they show too little.
views = keras_ssl.views.colored_digits(strength=0.5, gray=0.4, invert=0.1)
model = keras_ssl.SwAV(
    encoder, (128, 64), prototypes=512, temperature=0.2, freeze_steps=0, output_norm="plain", views=views
)
model.compile(keras_ssl.optimizers.LARS(0.5, weight_decay=1e-4))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, batch_size=128, epochs=1 if small else 20)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
