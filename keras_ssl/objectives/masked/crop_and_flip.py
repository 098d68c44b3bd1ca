"""The views of objectives that hide parts of one view of each image."""

from keras_ssl.views import Compose, MultiView, RandomFlip, RandomResizedCrop


def crop_and_flip(size: int, least: float) -> MultiView:
    """One view: a random crop, in the size that the encoder takes, and a flip of half of the images.

    Args:
        size: side of the result in pixels.
        least: the smallest crop's area as a fraction of the image's.
    """
    return MultiView([Compose([RandomResizedCrop(size, scale=(least, 1.0)), RandomFlip(0.5)])])
