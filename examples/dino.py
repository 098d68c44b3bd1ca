"""DINO on the embedded digits: `python examples/dino.py` (minutes; `--small` takes seconds)."""

import sys

import keras_ssl
from keras_ssl.evaluation import extract_features, knn_accuracy

small = "--small" in sys.argv
train, train_labels = keras_ssl.data.colored_digits("train", count=256 if small else 6000)
test, test_labels = keras_ssl.data.colored_digits("test", count=128 if small else 2000)

encoder = keras_ssl.encoders.ConvNet()
model = keras_ssl.DINO(
    encoder,
    projector=(128, 64),
    out_dim=512,
    student_temperature=0.2,
    teacher_temperature=0.05,
    sinkhorn_iterations=3,  # as in DINOv2: a running center needs far longer runs
    momentum=0.9,
    freeze_steps=0,
    batch_norm=True,
    output_norm="plain",
    views=keras_ssl.views.colored_digits(strength=0.5, gray=0.4, invert=0.1),
)
model.compile(keras_ssl.optimizers.LARS(0.5, weight_decay=1e-4))


def knn():
    return knn_accuracy(extract_features(model, train), train_labels, extract_features(model, test), test_labels)


before = knn()
model.fit(train, batch_size=128, epochs=1 if small else 20)
print(f"kNN accuracy: {before:.3f} untrained, {knn():.3f} pretrained")
