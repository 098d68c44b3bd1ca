"""Losses: pure functions of embeddings `[N, D]` to a scalar, with no state, no replicas and no logging."""

from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss, cross_correlation
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.dino_loss import dino_loss
from keras_ssl.losses.groco_loss import groco_loss, group_ordering_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.inter_image_loss import inter_image_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.losses.sorting_network import soft_sort
from keras_ssl.losses.swapped_prediction_loss import swapped_prediction_loss
from keras_ssl.losses.swav_loss import swav_loss

__all__ = [
    "barlow_twins_loss",
    "byol_loss",
    "cross_correlation",
    "dino_loss",
    "groco_loss",
    "group_ordering_loss",
    "info_nce_loss",
    "inter_image_loss",
    "nt_xent_loss",
    "sinkhorn",
    "soft_sort",
    "swapped_prediction_loss",
    "swav_loss",
]
