"""Recipes, export, and the catalogue of pretrained encoders."""

from keras_ssl.hub.atomic import atomic_file, atomic_folder
from keras_ssl.hub.card import Card
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.catalogue import list_models
from keras_ssl.hub.download import fetch
from keras_ssl.hub.download_error import DownloadError
from keras_ssl.hub.environment import cache_folder
from keras_ssl.hub.export import export
from keras_ssl.hub.formats import write_format
from keras_ssl.hub.heads import head_weights, load_heads
from keras_ssl.hub.load import load, preprocessing
from keras_ssl.hub.load_checkpoint import load_checkpoint
from keras_ssl.hub.publish import publish
from keras_ssl.hub.push import push
from keras_ssl.hub.read_run import Run, read_run
from keras_ssl.hub.recipe import Recipe, list_recipes
from keras_ssl.hub.saved_model_layer import SavedModelLayer
from keras_ssl.hub.verify import verify
from keras_ssl.hub.weights import load_weights, save_weights
from keras_ssl.hub.write_repository import write_repository
from keras_ssl.weights.named_weights import named_weights

__all__ = [
    "Card",
    "CardFile",
    "DownloadError",
    "Recipe",
    "Run",
    "SavedModelLayer",
    "atomic_file",
    "atomic_folder",
    "cache_folder",
    "export",
    "fetch",
    "head_weights",
    "list_models",
    "list_recipes",
    "load",
    "load_checkpoint",
    "load_heads",
    "load_weights",
    "named_weights",
    "preprocessing",
    "publish",
    "push",
    "read_run",
    "save_weights",
    "verify",
    "write_format",
    "write_repository",
]
