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
    "vicreg": make(keras_ssl.VICReg, projector=(24, 12)),
    "mixed_barlow_twins": make(keras_ssl.MixedBarlowTwins, projector=(24, 24)),
    "tico": make(keras_ssl.TiCo, projector=(24, 12), momentum=0.9),
    "w_mse": make(keras_ssl.WMSE, projector=(24, 4), whitening_size=6, iterations=2, epsilon=0.1),
    # Fewer dimensions than samples: the gradient of a singular value near 0 magnifies rounding.
    "mmcr": make(keras_ssl.MMCR, projector=(24, 4), manifold_weight=0.1),
    "adaptive_multi_head_contrastive": make(
        keras_ssl.AdaptiveMultiHeadContrastive, projector=(24, 12), heads=2, temperature_range=(0.1, 1.0)
    ),
    "scat_sim_clr": lambda: keras_ssl.ScatSimCLR(
        keras_ssl.encoders.ScatteringNet(widths=(16,), scales=1, angles=4, order=1),
        projector=(24, 12),
        pretext_widths=(8,),
        views=cheap_views(),
    ),
}
