"""What the authors of some objectives train, in plain PyTorch under the names of their files, and its loss.

Written from the papers and the files' own keys, with nothing of keras_ssl in it.
"""

import torch
from torch import nn
from torch.nn import functional as F

from tests.parity.torch_models import ViT, ViTBlock


def sines(width, side):
    """Fixed positions `[side * side, width]`: half of the width for the column, half for the row, as MAE has them."""
    frequencies = 1.0 / 10000.0 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4))

    def of(numbers):
        angles = numbers[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    places = torch.arange(side, dtype=torch.float64)
    return torch.cat([of(places.repeat(side)), of(places.repeat_interleave(side))], dim=1).float()


def rows(tokens, numbers):
    """The tokens `[N, K, D]` of numbers `[N, K]`."""
    return tokens.gather(1, numbers[:, :, None].expand(-1, -1, tokens.shape[2]))


def patches(images, size):
    """Pixels of patches, `[N, T, size * size * 3]`: rows, columns, channels."""
    count, _, height, width = images.shape
    x = images.view(count, 3, height // size, size, width // size, size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, size * size * 3)


class Tokens(ViT):
    """The transformer with access to its tokens."""

    def embedded(self, x):
        x = self.patch_embed(x)
        return x.flatten(2).mT + self.positions(*x.shape[2:])

    def encoded(self, tokens):
        if hasattr(self, "cls_token"):
            first = self.cls_token + self.pos_embed[:, :1]
            tokens = torch.cat([first.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.norm(self.blocks(tokens))


class MAE(Tokens):
    def __init__(self, decoder=8, decoder_depth=2, decoder_heads=2, patch=4, **encoder):
        super().__init__(patch=patch, **encoder)
        width = self.norm.normalized_shape[0]
        self.patch = patch
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder))
        self.decoder_embed = nn.Linear(width, decoder)
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, decoder), requires_grad=False)
        self.decoder_blocks = nn.Sequential(*(ViTBlock(decoder, decoder_heads) for _ in range(decoder_depth)))
        self.decoder_norm = nn.LayerNorm(decoder, eps=1e-6)
        self.decoder_pred = nn.Linear(decoder, patch * patch * 3)

    def fix(self):
        """Puts the fixed positions back after weights were drawn."""
        self.decoder_pos_embed.data[:, 1:] = sines(self.decoder_pos_embed.shape[2], self.grid)
        self.decoder_pos_embed.data[:, :1] = 0

    def loss(self, images, keep):
        """The squared error of hidden patches, each normalized by its own mean and (unbiased) variance."""
        seen = self.decoder_embed(self.encoded(rows(self.embedded(images), keep)))
        everywhere = self.mask_token.repeat(len(images), self.grid**2, 1)
        everywhere = everywhere.scatter(1, keep[:, :, None].expand(-1, -1, seen.shape[2]), seen[:, 1:])
        x = torch.cat([seen[:, :1], everywhere], dim=1) + self.decoder_pos_embed
        predicted = self.decoder_pred(self.decoder_norm(self.decoder_blocks(x)))[:, 1:]
        target = patches(images, self.patch)
        target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
        hidden = torch.ones(len(images), self.grid**2).scatter(1, keep, 0.0)
        return (((predicted - target) ** 2).mean(-1) * hidden).sum() / hidden.sum()


class Predictor(nn.Module):
    """I-JEPA's."""

    def __init__(self, width, side, inner=12, depth=2, heads=2):
        super().__init__()
        self.predictor_embed = nn.Linear(width, inner)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, inner))
        self.predictor_pos_embed = nn.Parameter(torch.zeros(1, side**2, inner), requires_grad=False)
        self.predictor_blocks = nn.Sequential(*(ViTBlock(inner, heads) for _ in range(depth)))
        self.predictor_norm = nn.LayerNorm(inner, eps=1e-6)
        self.predictor_proj = nn.Linear(inner, width)
        self.side = side

    def fix(self):
        self.predictor_pos_embed.data[0] = sines(self.predictor_pos_embed.shape[2], self.side)

    def forward(self, seen, context, target):
        """The predicted tokens of one target, from the encodings of the context."""
        place = self.predictor_pos_embed.expand(len(seen), -1, -1)
        asked = self.mask_token + rows(place, target)
        x = torch.cat([self.predictor_embed(seen) + rows(place, context), asked], dim=1)
        return self.predictor_proj(self.predictor_norm(self.predictor_blocks(x))[:, seen.shape[1] :])


def ijepa_loss(encoder, predictor, teacher, images, context, targets):
    """The smooth absolute error of the targets' normalized tokens, mean over targets, tokens and width."""
    seen = encoder.encoded(rows(encoder.embedded(images), context))
    whole = teacher.encoded(teacher.embedded(images))
    whole = F.layer_norm(whole, whole.shape[-1:])
    losses = [
        F.smooth_l1_loss(predictor(seen, context, target), rows(whole, target)) for target in targets.unbind(dim=1)
    ]
    return sum(losses) / len(losses)


class Head(nn.Module):
    """DINO's and iBOT's: a perceptron, and cosines with directions of length 1."""

    def __init__(self, width, widths, outputs, twice):
        super().__init__()
        layers = []
        for inputs, number in zip((width, *widths), widths, strict=False):
            layers += [nn.Linear(inputs, number), nn.GELU()]
        self.mlp = nn.Sequential(*layers[:-1])
        self.last_layer = nn.Module()
        self.last_layer.weight_g = nn.Parameter(torch.ones(outputs, 1))
        self.last_layer.weight_v = nn.Parameter(torch.zeros(outputs, widths[-1]))
        if twice:
            self.last_layer2 = self.last_layer

    def forward(self, x):
        weight = F.normalize(self.last_layer.weight_v, dim=1) * self.last_layer.weight_g
        return F.normalize(self.mlp(x), dim=-1) @ weight.T


class Network(nn.Module):
    """An encoder and its head; the student of iBOT has a token for masked patches."""

    def __init__(self, masked=False, widths=(10, 6), outputs=9, twice=False, **encoder):
        super().__init__()
        self.backbone = Tokens(**encoder)
        width = self.backbone.norm.normalized_shape[0]
        if masked:
            self.backbone.masked_embed = nn.Parameter(torch.zeros(1, width))
        self.head = Head(width, widths, outputs, twice)

    def tokens(self, images, hidden=None):
        plain = self.backbone.patch_embed(images).flatten(2).mT
        if hidden is not None:
            plain = torch.where(hidden[:, :, None] > 0, self.backbone.masked_embed, plain)
        grid = [side // self.backbone.patch_embed.proj.kernel_size[0] for side in images.shape[2:]]
        return self.backbone.encoded(plain + self.backbone.positions(*grid))


def cross_entropy(target, student, temperature=0.1):
    return -(target * F.log_softmax(student / temperature, dim=-1)).sum(-1)


def dino_loss(student, teacher, center, crops, count, temperature):
    """Mean over pairs of a teacher's global crop and another crop of the student."""
    targets = [F.softmax((teacher.head(teacher.tokens(x)[:, 0]) - center) / temperature, -1) for x in crops[:count]]
    outputs = [student.head(student.tokens(x)[:, 0]) for x in crops]
    pairs = [(t, s) for t in range(count) for s in range(len(crops)) if s != t]
    return sum(cross_entropy(targets[t], outputs[s]).mean() for t, s in pairs) / len(pairs)


def ibot_loss(student, teacher, center, center2, crops, hidden, temperature):
    """DINO's loss of two crops, and beside it that of masked patches of the same crop, mean over those of an image."""
    total, seen = 0.0, []
    for x, mask in zip(crops, hidden, strict=True):
        taught, learned = teacher.head(teacher.tokens(x)), student.head(student.tokens(x, mask))
        whole = F.softmax((taught[:, 0] - center) / temperature, -1)
        parts = F.softmax((taught[:, 1:] - center2) / temperature, -1)
        seen.append((whole, learned[:, 0]))
        of_patches = cross_entropy(parts, learned[:, 1:]) * mask
        total = total + (of_patches.sum(-1) / mask.sum(-1).clamp(min=1.0)).mean() / len(crops)
    pairs = [(t, s) for t in range(len(crops)) for s in range(len(crops)) if s != t]
    return total + sum(cross_entropy(seen[t][0], seen[s][1]).mean() for t, s in pairs) / len(pairs)
