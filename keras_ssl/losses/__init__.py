"""Losses: pure functions of embeddings `[N, D]` to a scalar, with no state, no replicas and no logging."""

from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss, cross_correlation
from keras_ssl.losses.bipartite_matching import bipartite_matching
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.distillation_loss import distillation_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.isr_loss import isr_loss, pair_reliability
from keras_ssl.losses.mochi_loss import hard_negative_mixes
from keras_ssl.losses.nnclr_loss import nearest_neighbours, nnclr_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.ressl_loss import ressl_loss
from keras_ssl.losses.simsiam_loss import simsiam_loss

__all__ = [
    "barlow_twins_loss",
    "bipartite_matching",
    "byol_loss",
    "cross_correlation",
    "distillation_loss",
    "hard_negative_mixes",
    "info_nce_loss",
    "isr_loss",
    "nearest_neighbours",
    "nnclr_loss",
    "nt_xent_loss",
    "pair_reliability",
    "ressl_loss",
    "simsiam_loss",
]
