"""Every objective on an encoder small enough for a test, with views that take little time to compile."""

import keras_ssl
from keras_ssl import views


def encoder():
    return keras_ssl.encoders.ConvNet(widths=(8, 16))


def cheap_views():
    ops = [views.RandomFlip(0.5), views.RandomGrayscale(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiView([views.Compose(ops)] * 2)


def four_views():
    return views.MultiView([*cheap_views().views] * 2)


def make(objective, **options):
    return lambda: objective(encoder(), views=cheap_views(), **options)


OBJECTIVES = {  # by the name of their recipe: zoo/recipes/<name>_digits.toml
    "barlow_twins": make(keras_ssl.BarlowTwins, projector=(24, 24)),
    "simclr": make(keras_ssl.SimCLR, projector=(24, 12)),
    "byol": make(keras_ssl.BYOL, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "moco": make(keras_ssl.MoCo, projector=(24, 12), queue_size=32, momentum=0.9),
    "mocov3": make(keras_ssl.MoCo, version=3, projector=(24, 12), predictor=(24, 12), momentum=0.9),
    "dcl": make(keras_ssl.DCL, projector=(24, 12)),
    "dclw": make(keras_ssl.DCLW, projector=(24, 12)),
    "hard_contrastive": make(keras_ssl.HardContrastive, projector=(24, 12), quantile=0.5),
    "sup_con": make(keras_ssl.SupCon, projector=(24, 12)),
    "sog_clr": make(keras_ssl.SogCLR, dataset_size=40, projector=(24, 12)),
    "isog_clr": make(keras_ssl.ISogCLR, dataset_size=40, projector=(24, 12)),
    "multi_view_info_nce": lambda: keras_ssl.MultiViewInfoNCE(encoder(), projector=(24, 12), views=four_views()),
    "multi_view_dhel": lambda: keras_ssl.MultiViewDHEL(encoder(), projector=(24, 12), views=four_views()),
    "image_pair_contrastive": make(keras_ssl.ImagePairContrastive, projector=(12,)),
}
