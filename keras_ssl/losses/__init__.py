"""Losses: pure functions of embeddings `[N, D]` to a scalar, with no state, no replicas and no logging."""

from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss, cross_correlation
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.dcl_loss import dcl_loss, von_mises_fisher_weights
from keras_ssl.losses.hard_contrastive_loss import hard_contrastive_loss
from keras_ssl.losses.image_pair_loss import image_pair_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.multi_view_loss import multi_view_dhel_loss, multi_view_info_nce_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.sog_clr_loss import sog_clr_loss
from keras_ssl.losses.sup_con_loss import sup_con_loss

__all__ = [
    "barlow_twins_loss",
    "byol_loss",
    "cross_correlation",
    "dcl_loss",
    "hard_contrastive_loss",
    "image_pair_loss",
    "info_nce_loss",
    "multi_view_dhel_loss",
    "multi_view_info_nce_loss",
    "nt_xent_loss",
    "sog_clr_loss",
    "sup_con_loss",
    "von_mises_fisher_weights",
]
