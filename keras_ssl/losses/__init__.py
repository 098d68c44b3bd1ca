"""Losses: pure functions of embeddings `[N, D]` to a scalar, with no state, no replicas and no logging."""

from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss, cross_correlation
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.vicreg_loss import vicreg_loss
from keras_ssl.losses.mixed_barlow_twins_loss import mixup_correlation_regularizer
from keras_ssl.losses.tico_loss import tico_loss
from keras_ssl.losses.whitening_mse_loss import w_mse_loss
from keras_ssl.losses.mmcr_loss import mmcr_loss
from keras_ssl.losses.adaptive_temperature_loss import adaptive_barlow_twins_loss
from keras_ssl.losses.adaptive_temperature_loss import adaptive_contrastive_loss

__all__ = [
    "barlow_twins_loss",
    "byol_loss",
    "cross_correlation",
    "info_nce_loss",
    "nt_xent_loss",
    "vicreg_loss",
    "mixup_correlation_regularizer",
    "tico_loss",
    "w_mse_loss",
    "mmcr_loss",
    "adaptive_barlow_twins_loss",
    "adaptive_contrastive_loss",
]
