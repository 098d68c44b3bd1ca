"""Barlow Twins in PyTorch on the same GPU: a compiled loop on ready-made views, and lightly's stock pipeline."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch.nn.functional as functional
from gpu_cases import blurred, case
from lightly_imports import lightly, torch
from torch import nn
from torch_encoders import perceptron

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def encoder_of(name: str, size: int) -> tuple[nn.Module, int]:
    """torchvision's ResNet, or timm's ViT, and the width of its features."""
    if name == "vit_s16":
        from timm.models.vision_transformer import VisionTransformer

        patch = 16 if size >= 64 else 4
        return VisionTransformer(size, patch, embed_dim=384, depth=12, num_heads=6, num_classes=0), 384
    import torchvision

    network = getattr(torchvision.models, name)()
    width = network.fc.in_features
    network.fc = nn.Identity()
    if size <= 32:
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network, width


def barlow_twins(first: torch.Tensor, second: torch.Tensor, weight: float = 0.0051) -> torch.Tensor:
    """The loss, in float32."""
    first, second = (functional.batch_norm(z.float(), None, None, training=True, momentum=0.0) for z in (first, second))
    correlation = first.T @ second / len(first)
    diagonal = torch.diagonal(correlation)
    off = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + weight * off


class Model(nn.Module):
    """Encoder, projector and loss of two views in one module, so that all of it is compiled."""

    def __init__(self, name: str, size: int, projector: list[int], criterion: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.encoder, width = encoder_of(name, size)
        self.projector = perceptron(width, projector, bias=False)
        self.criterion = criterion

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        with torch.autocast(DEVICE, torch.bfloat16):
            embeddings = [self.projector(self.encoder(view)) for view in (first, second)]
        return self.criterion(*(z.float() for z in embeddings))


def _settings() -> None:
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")


def _facts() -> dict[str, Any]:
    if DEVICE == "cpu":
        return {"device": "cpu"}
    peak = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.empty_cache()  # the GPU is shared with the processes that it is compared with
    return {"device": torch.cuda.get_device_name(), "device_peak_mb": peak}


def compiled(encoder: str, steps: int, small: bool = False) -> tuple[Callable[[], Any], int]:
    """A hand-written loop: `torch.compile`, channels last, bfloat16, a fused optimizer, views ready on the device."""
    _settings()
    sizes = case(encoder, small)
    size, batch = sizes["size"], sizes["batch_size"]
    model = Model(encoder, size, sizes["projector"], barlow_twins).to(DEVICE, memory_format=torch.channels_last)
    model.train()
    step = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), 1e-6, momentum=0.9, fused=True)
    views = [
        torch.rand(batch, 3, size, size, device=DEVICE).contiguous(memory_format=torch.channels_last) for _ in range(2)
    ]

    def run() -> dict[str, Any]:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = step(*views)
            loss.backward()
            optimizer.step()
        value = loss.item()
        return {"loss": value, **_facts()}

    return run, batch * steps


def stock(encoder: str, steps: int, small: bool = False) -> tuple[Callable[[], Any], int]:
    """lightly as its examples have it: transforms of PIL images in a worker per core, its loss; and bfloat16."""
    from PIL import Image

    _settings()
    sizes = case(encoder, small)
    size, batch, side = sizes["size"], sizes["batch_size"], sizes["source"]
    no_blur = {} if blurred(size) else {"gaussian_blur": 0.0}
    transform = lightly.transforms.BYOLTransform(
        view_1_transform=lightly.transforms.BYOLView1Transform(input_size=size, **no_blur),
        view_2_transform=lightly.transforms.BYOLView2Transform(input_size=size, **no_blur),
    )
    arrays = np.random.default_rng(0).integers(0, 256, (256, side, side, 3), "uint8")
    images = [Image.fromarray(array) for array in arrays]

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return steps * batch

        def __getitem__(self, index: int) -> Any:
            return transform(images[index % len(images)])

    loader = torch.utils.data.DataLoader(
        Images(),
        batch,
        num_workers=len(os.sched_getaffinity(0)),
        persistent_workers=True,
        pin_memory=DEVICE == "cuda",
        drop_last=True,
    )
    model = Model(encoder, size, sizes["projector"], lightly.loss.BarlowTwinsLoss()).to(DEVICE)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-6, momentum=0.9)

    def run() -> dict[str, Any]:
        for first, second in loader:
            optimizer.zero_grad()
            loss = model(first.to(DEVICE, non_blocking=True), second.to(DEVICE, non_blocking=True))
            loss.backward()
            optimizer.step()
        value = loss.item()
        return {"loss": value, **_facts()}

    return run, batch * steps


def products(side: int = 8192, repeats: int = 20) -> tuple[Callable[[], Any], float]:
    """bfloat16 matrix products of random numbers; the items are floating-point operations."""
    _settings()
    left, right = (torch.randn(side, side, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))

    def run() -> dict[str, Any]:
        for _ in range(repeats):
            product = left @ right
        product[0, 0].item()
        return _facts()

    return run, 2.0 * side**3 * repeats
