"""DirectPred on the embedded digits: `python examples/direct_pred.py` (minutes; `--small`: seconds)."""

import sys

import keras_ssl
from keras_ssl import views
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)

encoder = keras_ssl.encoders.ConvNet()
# Mild views: where they share little, all but a few directions of the embedding die out.
pair = views.colored_digits(strength=0.5, min_scale=0.7, gray=0.2, invert=0.0)
model = keras_ssl.DirectPred(
    encoder, (128, 64), momentum=0.96, output_norm=True, convention="code", eps=0.01, views=pair
)
model.compile(keras_ssl.optimizers.LARS(1.0, weight_decay=1e-4))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, batch_size=32, epochs=1 if small else 20)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
