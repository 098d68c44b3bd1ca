"""Views: batched, per-sample-random image ops, and the papers' recipes built from them."""

from keras_ssl.views.batch_styles_standardization import BatchStylesStandardization
from keras_ssl.views.center_crop import CenterCrop
from keras_ssl.views.color_jitter import ColorJitter
from keras_ssl.views.compose import Compose
from keras_ssl.views.gaussian_blur import GaussianBlur
from keras_ssl.views.identity import Identity
from keras_ssl.views.map_dataset import map_dataset
from keras_ssl.views.multi_crop import MultiCrop
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.normalize import Normalize
from keras_ssl.views.own_views import OwnViews
from keras_ssl.views.random_apply import RandomApply
from keras_ssl.views.random_flip import RandomFlip
from keras_ssl.views.random_grayscale import RandomGrayscale
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.recipes import barlow_twins, byol, colored_digits, dino, moco, ressl, simclr, swav, vicreg
from keras_ssl.views.solarize import Solarize
from keras_ssl.views.view import View

__all__ = [
    "BatchStylesStandardization",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "GaussianBlur",
    "Identity",
    "MultiCrop",
    "MultiView",
    "Normalize",
    "OwnViews",
    "RandomApply",
    "RandomFlip",
    "RandomGrayscale",
    "RandomResizedCrop",
    "Solarize",
    "View",
    "barlow_twins",
    "byol",
    "colored_digits",
    "dino",
    "map_dataset",
    "moco",
    "ressl",
    "simclr",
    "swav",
    "vicreg",
]
