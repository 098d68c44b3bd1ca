"""The published architectures in plain PyTorch, under the names that their files use.

Written from the papers and the files' own keys, with nothing of keras_ssl in it, or timm's: what the library is
compared with.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.parity.timm_models import EupeConvNeXt as EupeConvNeXt
from tests.parity.timm_models import EupeViT as EupeViT
from tests.parity.timm_models import Swin as Swin
from tests.parity.torch_conv_next import ConvNeXt as ConvNeXt
from tests.parity.torch_rotary import CapiViT as CapiViT
from tests.parity.torch_rotary import Dinov3ViT as Dinov3ViT

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 200: (3, 24, 36, 3)}


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck: 1x1, 3x3, 1x1 with four times as many channels."""

    def __init__(self, inputs, channels, stride, bottleneck):
        super().__init__()
        outputs = 4 * channels if bottleneck else channels
        kernels = ((1, 1), (3, stride), (1, 1)) if bottleneck else ((3, stride), (3, 1))
        widths = [inputs] + [channels] * (len(kernels) - 1) + [outputs]
        for number, (kernel, step) in enumerate(kernels, start=1):
            self.add_module(f"conv{number}", conv(widths[number - 1], widths[number], kernel, step))
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number]))
        self.count = len(kernels)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y if number == self.count else F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A ResNet in torchvision's layout without its classifier.

    `channels` are those of the first stage, `bands` those of the images; `stem` is "imagenet", or for small images
    "cifar" or "cifar_pool".
    """

    def __init__(self, depth=50, channels=64, stem="imagenet", bands=3):
        super().__init__()
        self.conv1 = conv(bands, channels, 7, 2) if stem == "imagenet" else conv(bands, channels, 3)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pooled = stem != "cifar"
        inputs = channels
        for stage, count in enumerate(BLOCKS[depth]):
            blocks = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                blocks.append(Block(inputs, channels * 2**stage, stride, depth >= 50))
                inputs = channels * 2**stage * (4 if depth >= 50 else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.pooled:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


class PatchEmbed(nn.Module):
    def __init__(self, width, patch, bands):
        super().__init__()
        self.proj = nn.Conv2d(bands, width, patch, patch)

    def forward(self, x):
        return self.proj(x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        count, length, width = x.shape
        q, k, v = self.qkv(x).view(count, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / math.sqrt(width // self.heads)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(count, length, width))


class Network(nn.Module):
    def __init__(self, width, tanh=False):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.approximate = "tanh" if tanh else "none"

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate=self.approximate))


class GatedNetwork(nn.Module):
    """SwiGLU; two thirds as wide, in multiples of 8."""

    def __init__(self, width):
        super().__init__()
        hidden = 8 * math.ceil(int(4 * width * 2 / 3) / 8)
        self.w12, self.w3 = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, x):
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * value)


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.gamma


class ViTBlock(nn.Module):
    def __init__(self, width, heads, gated=False, scaled=False, tanh=False):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = GatedNetwork(width) if gated else Network(width, tanh)
        self.ls1, self.ls2 = (LayerScale(width) if scaled else nn.Identity() for _ in range(2))

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class AttentionPool(nn.Module):
    """All tokens by the attention of a learned probe, and a network with a residual: the head of SigLIP's towers."""

    def __init__(self, width, heads, tanh):
        super().__init__()
        self.heads = heads
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm, self.mlp = nn.LayerNorm(width, eps=1e-6), Network(width, tanh)

    def forward(self, x):
        count, length, width = x.shape
        q = self.q(self.latent).view(1, 1, self.heads, -1).transpose(1, 2)
        k, v = self.kv(x).view(count, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q.expand(count, -1, -1, -1), k, v)
        x = self.proj(mixed.transpose(1, 2).reshape(count, width))
        return x + self.mlp(self.norm(x))


class ViT(nn.Module):
    """A vision transformer under DINO's names.

    `offset` is what DINO and DINOv2 add to a grid's sides when they compute by how much to resize the positions;
    0 resizes to the grid. Features are the class token, or without one the mean of the patches, or with `pool` what
    `AttentionPool` gives. `bands` are the images' channels; `tanh` approximates the GELU.
    """

    def __init__(
        self,
        width=384,
        depth=12,
        heads=6,
        patch=16,
        side=224,
        registers=0,
        gated=False,
        scaled=False,
        masked=False,
        class_token=True,
        offset=0.1,
        antialias=False,
        interpolation="bicubic",
        bands=3,
        tanh=False,
        pool=False,
    ):
        super().__init__()
        self.interpolation = interpolation
        self.offset, self.antialias = offset, antialias
        self.grid = side // patch
        self.patch_embed = PatchEmbed(width, patch, bands)
        if class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, class_token + self.grid**2, width))
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, width))
        if masked:
            self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.blocks = nn.Sequential(*(ViTBlock(width, heads, gated, scaled, tanh) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        if pool:
            self.attn_pool = AttentionPool(width, heads, tanh)

    def positions(self, rows, columns):
        table = self.pos_embed[:, -(self.grid**2) :]
        if (rows, columns) == (self.grid, self.grid):
            return table
        image = table.unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        how = {"mode": self.interpolation, "antialias": self.antialias}
        if self.offset:
            factors = tuple((side + self.offset) / self.grid for side in (rows, columns))
            image = F.interpolate(image, scale_factor=factors, **how)
        else:
            image = F.interpolate(image, size=(rows, columns), **how)
        if image.shape[2:] != (rows, columns):
            raise ValueError(f"positions {tuple(image.shape)} for a grid of {rows} x {columns}")
        return image.flatten(2).mT

    def forward(self, x):
        x = self.patch_embed(x)
        x = x.flatten(2).mT + self.positions(*x.shape[2:])
        before = []
        if hasattr(self, "cls_token"):
            before.append(self.cls_token + self.pos_embed[:, :1])
        if hasattr(self, "register_tokens"):
            before.append(self.register_tokens)
        x = torch.cat([*(token.expand(len(x), -1, -1) for token in before), x], dim=1)
        x = self.norm(self.blocks(x))
        if hasattr(self, "attn_pool"):
            return self.attn_pool(x)
        return x[:, 0] if hasattr(self, "cls_token") else x.mean(1)
