"""Vision transformers with rotary positions in plain PyTorch, under the names that DINOv3's and CAPI's files use."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def turn(x, angles):
    """Channel j of the first half turned with channel j of the second, each by its own angle."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    one = first * angles[..., :half].cos() - second * angles[..., :half].sin()
    two = second * angles[..., half:].cos() + first * angles[..., half:].sin()
    return torch.cat([one, two], dim=-1)


def heads_of(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class MaskedLinear(nn.Linear):
    """A map whose bias is masked."""

    def __init__(self, inputs, outputs, bias):
        super().__init__(inputs, outputs, bias)
        if bias:
            self.register_buffer("bias_mask", torch.ones(outputs))

    def forward(self, x):
        return F.linear(x, self.weight, None if self.bias is None else self.bias * self.bias_mask)


class RotaryAttention(nn.Module):
    def __init__(self, width, heads, qkv_bias):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = MaskedLinear(width, 3 * width, qkv_bias), nn.Linear(width, width)

    def forward(self, x, angles):
        q, k, v = (heads_of(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        first = x.shape[1] - len(angles)
        q, k = (torch.cat([part[:, :, :first], turn(part[:, :, first:], angles)], dim=2) for part in (q, k))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Network(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class SplitGated(nn.Module):
    """SwiGLU whose gates and values are two maps; two thirds as wide, in multiples of 8."""

    def __init__(self, width, hidden):
        super().__init__()
        hidden = 8 * math.ceil(int(hidden * 2 / 3) / 8)
        self.w1, self.w2, self.w3 = nn.Linear(width, hidden), nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.w3(F.silu(self.w1(x)) * self.w2(x))


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * self.gamma


class RotaryBlock(nn.Module):
    def __init__(self, width, heads, gated, qkv_bias):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-5), nn.LayerNorm(width, eps=1e-5)
        self.attn = RotaryAttention(width, heads, qkv_bias)
        self.mlp = (SplitGated if gated else Network)(width, 4 * width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x, angles):
        x = x + self.ls1(self.attn(self.norm1(x), angles))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Rope(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.register_buffer("periods", torch.ones(depth // 4))

    def forward(self, rows, columns):
        """Angles of each place `[rows * columns, depth]`."""
        row, column = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in (rows, columns))
        places = torch.cartesian_prod(row, column)
        angles = torch.cat([2 * math.pi * places[:, [axis]] / self.periods for axis in (0, 1)], dim=1)
        return torch.cat([angles, angles], dim=1)


class PatchEmbed(nn.Module):
    def __init__(self, width, patch):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x):
        return self.proj(x)


class Dinov3ViT(nn.Module):
    """Features are the class token."""

    def __init__(self, width=24, depth=3, heads=3, patch=4, registers=4, gated=False, qkv_bias=True):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.storage_tokens = nn.Parameter(torch.zeros(1, registers, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed, self.rope_embed = PatchEmbed(width, patch), Rope(width // heads)
        self.blocks = nn.ModuleList(RotaryBlock(width, heads, gated, qkv_bias) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, x):
        patches = self.patch_embed(x)
        angles = self.rope_embed(*patches.shape[2:])
        own = (token.expand(len(x), -1, -1) for token in (self.cls_token, self.storage_tokens))
        x = torch.cat([*own, patches.flatten(2).mT], dim=1)
        for block in self.blocks:
            x = block(x, angles)
        return self.norm(x)[:, 0]


class Frequencies(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.freqs = nn.Parameter(torch.zeros(2, depth))


class CapiAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.rope = Frequencies(width // heads)

    def forward(self, x, places):
        q, k, v = (heads_of(layer(x), self.heads) for layer in (self.q_proj, self.k_proj, self.v_proj))
        angles = places @ self.rope.freqs
        mixed = F.scaled_dot_product_attention(turn(q, angles), turn(k, angles), v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class CapiNetwork(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Residual(nn.Module):
    def __init__(self, width, fn):
        super().__init__()
        self.norm, self.fn = nn.RMSNorm(width, eps=1e-5), fn

    def forward(self, x, *args):
        return x + self.fn(self.norm(x), *args)


class CapiBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.residual1 = Residual(width, CapiAttention(width, heads))
        self.residual2 = Residual(width, CapiNetwork(width))

    def forward(self, x, places):
        return self.residual2(self.residual1(x, places))


class CapiViT(nn.Module):
    """Features are the mean of the patches, each normalized."""

    def __init__(self, width=24, depth=3, heads=3, patch=4, registers=16):
        super().__init__()
        self.registers = nn.Parameter(torch.zeros(1, registers, width))
        self.patch_embed = nn.Conv2d(3, width, patch, patch)
        self.encoder = nn.Module()
        self.encoder.blocks = nn.ModuleList(CapiBlock(width, heads) for _ in range(depth))

    def forward(self, x):
        patches = self.patch_embed(x)
        rows, columns = patches.shape[2:]
        places = torch.cartesian_prod(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns))
        side = self.registers.shape[1] // 4
        border = [(i / side, 0) for i in range(side)] + [(1, i / side) for i in range(side)]
        border += [(1 - i / side, 1) for i in range(side)] + [(0, 1 - i / side) for i in range(side)]
        places = torch.cat([torch.tensor(border, dtype=torch.float32), places])
        x = torch.cat([self.registers.expand(len(x), -1, -1), patches.flatten(2).mT], dim=1)
        for block in self.encoder.blocks:
            x = block(x, places)
        x = x[:, 4 * side :]
        return (x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()).mean(1)
