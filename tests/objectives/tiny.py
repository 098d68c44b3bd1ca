"""Every objective on an encoder small enough for a test, with views that take little time to compile."""

import keras_ssl
from keras_ssl import views


def encoder():
    return keras_ssl.encoders.ConvNet(widths=(8, 16))


def cheap_views():
    ops = [views.RandomFlip(0.5), views.RandomGrayscale(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiView([views.Compose(ops)] * 2)


def make(objective, **options):
    return lambda: objective(encoder(), views=cheap_views(), **options)


OBJECTIVES = {  # by the name of their recipe: zoo/recipes/<name>_digits.toml
    "barlow_twins": make(keras_ssl.BarlowTwins, projector=(24, 24)),
    "simclr": make(keras_ssl.SimCLR, projector=(24, 12)),
    "byol": make(keras_ssl.BYOL, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "moco": make(keras_ssl.MoCo, projector=(24, 12), queue_size=32, momentum=0.9),
    "mocov3": make(keras_ssl.MoCo, version=3, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "mochi": make(keras_ssl.MoCHi, projector=(24, 12), queue_size=32, momentum=0.9, hardest=8, mixes=4, query_mixes=3),
    "direct_pred": make(keras_ssl.DirectPred, projector=(24, 12), momentum=0.9),
    "random_teacher": make(keras_ssl.RandomTeacherDistillation, projector=(12,), distance=1.0, temperature=0.1),
    "identity_seeking": make(keras_ssl.IdentitySeeking, projector=(24, 12), shuffle=True),
    "simsiam": make(keras_ssl.SimSiam, projector=(24, 24, 12), predictor=(6, 12)),
    "nnclr": make(keras_ssl.NNCLR, projector=(24, 12), predictor=(24, 12), queue_size=32),
    "ressl": make(keras_ssl.ReSSL, projector=(24, 12), queue_size=32, momentum=0.9),
}
