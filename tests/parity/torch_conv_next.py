"""ConvNeXts in plain PyTorch, under the names that their authors' files use."""

import torch
from torch import nn
from torch.nn import functional as F


class MapNorm(nn.LayerNorm):
    """Layer normalization over the channels of `[N, C, H, W]`."""

    def __init__(self, width):
        super().__init__(width, eps=1e-6)

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ResponseNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma, self.beta = (nn.Parameter(torch.zeros(1, 1, 1, width)) for _ in range(2))

    def forward(self, x):
        norm = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        return self.gamma * (x * norm / (norm.mean(-1, keepdim=True) + 1e-6)) + self.beta + x


class ConvNeXtBlock(nn.Module):
    def __init__(self, width, grn):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if grn:
            self.grn = ResponseNorm(4 * width)
        else:
            self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        y = F.gelu(self.pwconv1(self.norm(self.dwconv(x).permute(0, 2, 3, 1))))
        y = self.pwconv2(self.grn(y) if hasattr(self, "grn") else y)
        return x + (y * self.gamma if hasattr(self, "gamma") else y).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Features are the mean of the last map, normalized if `final_norm`."""

    def __init__(self, width=4, depths=(1, 1, 2, 1), grn=False, final_norm=True):
        super().__init__()
        widths = [width * 2**stage for stage in range(4)]
        layers = [nn.Sequential(nn.Conv2d(3, width, 4, 4), MapNorm(width))]
        for before, after in zip(widths, widths[1:], strict=False):
            layers.append(nn.Sequential(MapNorm(before), nn.Conv2d(before, after, 2, 2)))
        self.downsample_layers = nn.ModuleList(layers)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock(inside, grn) for _ in range(depth)))
            for inside, depth in zip(widths, depths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6) if final_norm else nn.Identity()

    def forward(self, x):
        for layer, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(layer(x))
        return self.norm(x.mean((2, 3)))
