"""Every objective on an encoder small enough for a test, with views that take little time to compile."""

import keras_ssl
from keras_ssl import views


def encoder():
    return keras_ssl.encoders.ConvNet(widths=(8, 16))


def cheap_views():
    ops = [views.RandomFlip(0.5), views.RandomGrayscale(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiView([views.Compose(ops)] * 2)


def cheap_crops():
    ops = [views.RandomFlip(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiCrop.from_sizes(ops, local_copies=2, local_size=8, local_scale=(0.2, 0.6))


def make(objective, **options):
    return lambda: objective(encoder(), views=cheap_views(), **options)


def make_multi_crop(objective, **options):
    return lambda: objective(encoder(), views=cheap_crops(), **options)


OBJECTIVES = {  # by the name of their recipe: zoo/recipes/<name>_digits.toml
    "barlow_twins": make(keras_ssl.BarlowTwins, projector=(24, 24)),
    "simclr": make(keras_ssl.SimCLR, projector=(24, 12)),
    "byol": make(keras_ssl.BYOL, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "moco": make(keras_ssl.MoCo, projector=(24, 12), queue_size=32, momentum=0.9),
    "mocov3": make(keras_ssl.MoCo, version=3, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "swav": make_multi_crop(keras_ssl.SwAV, projector=(24, 12), prototypes=10, queue_size=24, freeze_steps=2),
    "dino": make_multi_crop(
        keras_ssl.DINO, projector=(24, 24, 12), out_dim=10, freeze_steps=2, warmup_steps=3, momentum=0.9
    ),
    "groco": make(keras_ssl.GroCo, projector=(24, 12), negatives=4),
    "interclr": make(
        keras_ssl.InterCLR,
        dataset_size=40,
        clusters=5,
        negatives=6,
        pool=8,
        projector=(24, 12),
        queue_size=32,
        momentum=0.9,
    ),
}
