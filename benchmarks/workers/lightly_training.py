"""From files on disk to a trained encoder of lightly's parts: its data set, transform, projector and loss."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from lightly_imports import torch
from lightly_models import barlow_twins
from lightly_views import transform


def run(
    folder: str, held: str, output: str, size: int, batch_size: int, epochs: int, count: int
) -> tuple[Callable[[], Any], int]:
    """Each round trains by another seed and writes the features of the held images (`held`, an npz) to `output`."""
    from lightly.data import LightlyDataset

    seeds = iter(range(10**9))
    arrays = np.load(held)
    mean, std = (np.asarray(value, "float32") for value in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def train() -> None:
        torch.manual_seed(next(seeds))
        model = barlow_twins("conv_net", [256, 256]).train()
        optimizer = torch.optim.Adam(model.parameters(), 2e-3, eps=1e-7)  # Keras' epsilon
        data = torch.utils.data.DataLoader(
            LightlyDataset(folder, transform=transform(size, blur=False)),
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
