"""Mask samplers: which tokens of each sample an encoder sees."""

from keras_ssl.views.masks.context_target_mask import ContextTargetMask
from keras_ssl.views.masks.mask_sampler import MaskSampler, hidden_tokens
from keras_ssl.views.masks.random_mask import RandomMask

__all__ = ["ContextTargetMask", "MaskSampler", "RandomMask", "hidden_tokens"]
