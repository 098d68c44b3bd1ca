"""Every objective on an encoder small enough for a test, with views that take little time to compile."""

from functools import partial

import keras

import keras_ssl
from keras_ssl import registry, views
from keras_ssl.testing.tiny_model import cheap_views, tiny_model
from keras_ssl.testing.tiny_model import tiny_encoder as encoder
from scripts.snake_case import snake_case

# What takes longer than a few steps on TensorFlow is to trace the first; on JAX it is to take them eagerly.
EAGERLY = keras.backend.backend() == "tensorflow"


def unlike_views():
    """Views of which no two are the same image: their cosines are never equal, so none falls on either side of a
    threshold by its last digit."""
    first, second = cheap_views().views
    return views.MultiView([first, views.Compose([second, views.RandomResizedCrop(16, scale=(0.3, 0.6))])])


def cheap_crops():
    ops = [views.RandomFlip(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiCrop.from_sizes(ops, local_copies=2, local_size=8, local_scale=(0.2, 0.6))


def four_views():
    return views.MultiView([*cheap_views().views] * 2)


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
    "vicreg": make(keras_ssl.VICReg, projector=(24, 12)),
    "mixed_barlow_twins": make(keras_ssl.MixedBarlowTwins, projector=(24, 24)),
    "tico": make(keras_ssl.TiCo, projector=(24, 12), momentum=0.9),
    "w_mse": make(keras_ssl.WMSE, projector=(24, 4), whitening_size=6, iterations=2, epsilon=0.1),
    "mochi": make(keras_ssl.MoCHi, projector=(24, 12), queue_size=32, momentum=0.9, hardest=8, mixes=4, query_mixes=3),
    "direct_pred": make(keras_ssl.DirectPred, projector=(24, 12), momentum=0.9),
    "random_teacher": make(keras_ssl.RandomTeacherDistillation, projector=(12,), distance=1.0, temperature=0.1),
    "identity_seeking": make(keras_ssl.IdentitySeeking, projector=(24, 12), shuffle=True),
    "simsiam": make(keras_ssl.SimSiam, projector=(24, 24, 12), predictor=(6, 12)),
    "nnclr": make(keras_ssl.NNCLR, projector=(24, 12), predictor=(24, 12), queue_size=32),
    "ressl": make(keras_ssl.ReSSL, projector=(24, 12), queue_size=32, momentum=0.9),
    "dcl": make(keras_ssl.DCL, projector=(24, 12)),
    "dclw": make(keras_ssl.DCLW, projector=(24, 12)),
    "hard_contrastive": lambda: keras_ssl.HardContrastive(
        encoder(), projector=(24, 12), quantile=0.5, views=unlike_views()
    ),
    "sup_con": make(keras_ssl.SupCon, projector=(24, 12)),
    "sog_clr": make(keras_ssl.SogCLR, dataset_size=40, projector=(24, 12)),
    "isog_clr": make(keras_ssl.ISogCLR, dataset_size=40, projector=(24, 12)),
    "multi_view_info_nce": lambda: keras_ssl.MultiViewInfoNCE(encoder(), projector=(24, 12), views=four_views()),
    "multi_view_dhel": lambda: keras_ssl.MultiViewDHEL(encoder(), projector=(24, 12), views=four_views()),
    "image_pair_contrastive": make(keras_ssl.ImagePairContrastive, projector=(12,)),
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


# Later methods say in their own files how a small model is made.
OBJECTIVES |= {
    snake_case(entry.name): partial(tiny_model, entry.name)
    for entry in registry.entries("objective")
    if entry.target.tiny is not None
}

# The digits are images: methods for tables have recipes and proofs of their own.
TABLES = {snake_case(entry.name) for entry in registry.entries("objective") if entry.modality == "table"}
IMAGES = [name for name in OBJECTIVES if name not in TABLES]
