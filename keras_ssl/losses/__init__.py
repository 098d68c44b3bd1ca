"""Losses: pure functions of embeddings `[N, D]` to a scalar, with no state, no replicas and no logging."""

from keras_ssl.exports import lazy_exports
from keras_ssl.losses.adaptive_temperature_loss import adaptive_barlow_twins_loss, adaptive_contrastive_loss
from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss, cross_correlation
from keras_ssl.losses.bipartite_matching import bipartite_matching
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.dcl_loss import dcl_loss, von_mises_fisher_weights
from keras_ssl.losses.dino_loss import dino_loss
from keras_ssl.losses.distillation_loss import distillation_loss
from keras_ssl.losses.groco_loss import groco_loss, group_ordering_loss
from keras_ssl.losses.hard_contrastive_loss import hard_contrastive_loss
from keras_ssl.losses.image_pair_loss import image_pair_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.inter_image_loss import inter_image_loss
from keras_ssl.losses.isr_loss import isr_loss, pair_reliability
from keras_ssl.losses.mixed_barlow_twins_loss import mixup_correlation_regularizer
from keras_ssl.losses.mmcr_loss import mmcr_loss
from keras_ssl.losses.mochi_loss import hard_negative_mixes
from keras_ssl.losses.multi_view_loss import multi_view_dhel_loss, multi_view_info_nce_loss
from keras_ssl.losses.nnclr_loss import nearest_neighbors, nnclr_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.ressl_loss import ressl_loss
from keras_ssl.losses.simsiam_loss import simsiam_loss
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.losses.sog_clr_loss import sog_clr_loss
from keras_ssl.losses.sorting_network import soft_sort
from keras_ssl.losses.sup_con_loss import sup_con_loss
from keras_ssl.losses.swapped_prediction_loss import swapped_prediction_loss
from keras_ssl.losses.swav_loss import swav_loss
from keras_ssl.losses.tico_loss import tico_loss
from keras_ssl.losses.vicreg_loss import vicreg_loss
from keras_ssl.losses.whitening_mse_loss import w_mse_loss

__getattr__, _more = lazy_exports(__name__, __file__)

__all__ = [
    "adaptive_barlow_twins_loss",
    "adaptive_contrastive_loss",
    "barlow_twins_loss",
    "bipartite_matching",
    "byol_loss",
    "cross_correlation",
    "dcl_loss",
    "dino_loss",
    "distillation_loss",
    "groco_loss",
    "group_ordering_loss",
    "hard_contrastive_loss",
    "hard_negative_mixes",
    "image_pair_loss",
    "info_nce_loss",
    "inter_image_loss",
    "isr_loss",
    "mixup_correlation_regularizer",
    "mmcr_loss",
    "multi_view_dhel_loss",
    "multi_view_info_nce_loss",
    "nearest_neighbors",
    "nnclr_loss",
    "nt_xent_loss",
    "pair_reliability",
    "ressl_loss",
    "simsiam_loss",
    "sinkhorn",
    "soft_sort",
    "sog_clr_loss",
    "sup_con_loss",
    "swapped_prediction_loss",
    "swav_loss",
    "tico_loss",
    "vicreg_loss",
    "von_mises_fisher_weights",
    "w_mse_loss",
    *_more,
]
