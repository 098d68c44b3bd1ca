"""From files on disk to an encoder that SimCLR trains, of lightly's parts: data set, pair of views, head and loss."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from lightly_imports import torch
from lightly_models import simclr


def run(
    folder: str, held: str, output: str, size: int, batch_size: int, epochs: int, count: int
) -> tuple[Callable[[], Any], int]:
    """Each round trains by another seed and writes the features of the held images (`held`, an npz) to `output`."""
    from lightly.data import LightlyDataset
    from lightly.transforms.multi_view_transform import MultiViewTransform
    from torchvision import transforms

    seeds = iter(range(10**9))
    arrays = np.load(held)
    mean, std = (np.asarray(value, "float32") for value in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    view = transforms.Compose(  # `keras_ssl.views.colored_digits`
        [
            transforms.RandomResizedCrop(size, scale=(0.5, 1.0)),
            transforms.ColorJitter(0.8, 0.8, 0.8, 0.5),
            transforms.RandomGrayscale(0.5),
            transforms.RandomSolarize(0, 0.5),
            transforms.ToTensor(),
            transforms.Normalize(mean.tolist(), std.tolist()),
        ]
    )

    def train() -> None:
        torch.manual_seed(next(seeds))
        model = simclr("conv_net", [128, 64], 0.2).train()
        optimizer = torch.optim.Adam(model.parameters(), 2e-3, eps=1e-7)  # Keras' epsilon
        data = torch.utils.data.DataLoader(
            LightlyDataset(folder, transform=MultiViewTransform([view, view])),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=len(os.sched_getaffinity(0)),
            persistent_workers=True,
        )
        for _ in range(epochs):
            for batch in data:
                first, second = batch[0]
                optimizer.zero_grad()
                model(first, second).backward()
                optimizer.step()
        model.eval()
        with torch.no_grad():
            features = {
                name: np.concatenate([model.encoder(tensor(part)).numpy() for part in np.array_split(arrays[name], 20)])
                for name in arrays.files
            }
        np.savez(output, **features)

    def tensor(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(((images.astype("float32") / 255 - mean) / std).transpose(0, 3, 1, 2).copy())

    return train, epochs * count
