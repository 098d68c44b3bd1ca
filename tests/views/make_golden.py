"""Writes tests/views/golden/torchvision.npz: torchvision's results for fixed images and parameters.

Run it where torch and torchvision are installed (the tests themselves need neither):

    python tests/views/make_golden.py
"""

import itertools
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

HEIGHT, WIDTH = 20, 16
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}
# name -> (boxes as top, left, height, width; one per image), result's height and width
CROPS = {
    "whole_smaller": ([(0, 0, HEIGHT, WIDTH)] * 4, (7, 5)),
    "whole_same": ([(0, 0, HEIGHT, WIDTH)] * 4, (HEIGHT, WIDTH)),
    "boxes": ([(0, 0, 1, 1), (19, 15, 1, 1), (3, 5, 12, 7), (7, 0, 13, 16)], (9, 11)),
    "larger": ([(2, 1, 5, 4), (0, 9, 20, 2), (11, 3, 9, 13), (4, 4, 8, 8)], (24, 24)),
}
FACTORS = (0.0, 0.35, 1.0, 1.8)
HUES = (-0.5, -0.13, 0.04, 0.37)
SIGMAS = (0.1, 0.7, 1.3, 2.0)
THRESHOLDS = (0.25, 0.5)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ORDERS = list(itertools.permutations(range(4)))


def make_images(rng):
    """Noise, a smooth gradient, few strong colors, and grays: what the branches of the hue formula meet."""
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([rows * 12, columns * 15, 255 - rows * 6 - columns * 7], axis=-1)
    strong = rng.choice([0, 127, 128, 255], (HEIGHT, WIDTH, 3))
    gray = np.repeat(rng.integers(0, 256, (HEIGHT, WIDTH, 1)), 3, axis=-1)
    return np.stack([noise, smooth, strong, gray]).astype(np.uint8)


def channels_last(images):
    return np.stack([image.numpy() for image in images]).transpose(0, 2, 3, 1)


def main():
    rng = np.random.default_rng(0)
    images = make_images(rng)
    unit = torch.from_numpy(images.transpose(0, 3, 1, 2)).to(torch.float32) / 255.0
    golden = {"images": images, "torchvision": torchvision.__version__}

    for mode, interpolation in MODES.items():
        for name, (boxes, size) in CROPS.items():
            crops = [
                F.resized_crop(image, *box, list(size), interpolation, antialias=True)
                for image, box in zip(unit, boxes, strict=True)
            ]
            golden[f"crop/{mode}/{name}"] = channels_last(crops)
    for name, (boxes, size) in CROPS.items():
        golden[f"boxes/{name}"] = np.array(boxes, np.int32)
        golden[f"size/{name}"] = np.array(size, np.int32)
        # PIL rounds to uint8 (and, where its bicubic kernel overshoots, clips) after each of the two
        # directions: only its bilinear results can be held against unrounded ones.
        golden[f"pil_crop/{name}"] = np.stack(
            [
                np.asarray(F.resized_crop(Image.fromarray(image), *box, list(size), MODES["bilinear"]))
                for image, box in zip(images, boxes, strict=True)
            ]
        )

    golden["flip/horizontal"] = channels_last([F.hflip(image) for image in unit])
    golden["flip/vertical"] = channels_last([F.vflip(image) for image in unit])
    golden["gray"] = channels_last([F.rgb_to_grayscale(image, 3) for image in unit])
    golden["normalize"] = channels_last([F.normalize(image, MEAN, STD) for image in unit])
    for threshold in THRESHOLDS:
        golden[f"solarize/{threshold}"] = channels_last([F.solarize(image, threshold) for image in unit])
    whole_numbers = torch.from_numpy(images.transpose(0, 3, 1, 2))
    golden["solarize_uint8"] = channels_last([F.solarize(image, 128) for image in whole_numbers])

    golden["factors"], golden["hues"] = np.array(FACTORS, np.float32), np.array(HUES, np.float32)
    for name in ("brightness", "contrast", "saturation"):
        adjust = getattr(F, f"adjust_{name}")
        # Every image with every factor: shifted pairings of the four images and the four factors.
        for shift in range(4):
            pairs = zip(unit, np.roll(FACTORS, shift), strict=True)
            golden[f"{name}/{shift}"] = channels_last([adjust(image, float(factor)) for image, factor in pairs])
    for shift in range(4):
        pairs = zip(unit, np.roll(HUES, shift), strict=True)
        golden[f"hue/{shift}"] = channels_last([F.adjust_hue(image, float(hue)) for image, hue in pairs])

    golden["sigmas"] = np.array(SIGMAS, np.float32)
    for kernel_size in (3, 9, 15):
        pairs = zip(unit, SIGMAS, strict=True)
        golden[f"blur/{kernel_size}"] = channels_last([F.gaussian_blur(i, kernel_size, sigma) for i, sigma in pairs])

    # One small image in each of the 24 orders of the four adjustments, with factors of its own.
    corner = unit[torch.arange(24) % 4, :, :6, :6]
    jitter = np.stack([*rng.uniform(0.2, 1.8, (3, 24)), rng.uniform(-0.5, 0.5, 24)], axis=1).astype(np.float32)
    adjustments = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
    jittered = []
    for image, order, factors in zip(corner, ORDERS, jitter, strict=True):
        for which in order:
            image = adjustments[which](image, float(factors[which]))
        jittered.append(image)
    golden["jitter/images"] = channels_last(corner)
    golden["jitter/orders"] = np.array(ORDERS, np.int32)
    golden["jitter/factors"] = jitter
    golden["jitter/result"] = channels_last(jittered)

    path = Path(__file__).parent / "golden" / "torchvision.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **golden)
    print(f"{path}: {path.stat().st_size} bytes, torchvision {torchvision.__version__}")


if __name__ == "__main__":
    main()
