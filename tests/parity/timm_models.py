"""Networks of timm under the names that the authors' files use, which timm itself renames.

What comes in is under the authors' names, and so is what `state_dict` tells; the weights and all that is computed are
timm's.
"""

import re
from functools import partial

import torch
from torch import nn

try:
    import timm
except RuntimeError:
    # timm imports torchvision, of whose compiled operators nothing here has need. Where they were built for another
    # PyTorch than is installed (as for a processor alone), torchvision fails for want of the declarations of two.
    operators = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        operators.define(f"{operator}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    import timm
from timm.models import convnext, eva, swin_transformer


class Renamed(nn.Module):
    """A network of timm's whose weights have other names outside: `read` is timm's own way from those to its own."""

    def __init__(self, network, read):
        super().__init__()
        self.network, self.read = network, read

    def state_dict(self):
        return self.published(self.network.state_dict())

    def load_state_dict(self, state):
        self.network.load_state_dict(self.read(state, self.network))

    def forward(self, x):
        return self.network(x)


class Swin(Renamed):
    """The authors join places at the end of a stage, timm at the beginning of the next."""

    def __init__(self, window=3, epsilon=1e-5, bands=3):
        network = swin_transformer.SwinTransformer(
            img_size=48,
            patch_size=2,
            in_chans=bands,
            num_classes=0,
            embed_dim=8,
            depths=(1, 2, 2, 2),
            num_heads=(1, 2, 2, 4),
            window_size=window,
            norm_layer=partial(nn.LayerNorm, eps=epsilon),
        )
        super().__init__(network, swin_transformer.checkpoint_filter_fn)
        # Where a map is smaller than the window, this is as small as the map, and so it stays for larger images.
        self.windows = [stage.blocks[0].window_size for stage in network.layers]

    def published(self, state):
        def named(key):
            return re.sub(r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key)

        return {named(key): value for key, value in state.items()}

    def forward(self, x):
        self.network.set_input_size(tuple(x.shape[2:]), window_size=self.windows)
        return self.network(x)


class EupeViT(Renamed):
    """The authors have a bias of keys, too, and a mask that takes it away."""

    def __init__(self):
        sizes = {"patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 3, "img_size": 32}
        network = timm.create_model("vit_small_patch16_dinov3_qkvb", num_classes=0, global_pool="token", **sizes)
        super().__init__(network, eva.checkpoint_filter_fn)

    def published(self, state):
        made = {"rope_embed.periods": 100.0 ** (torch.arange(2) / 2), "mask_token": torch.ones(1, 24)}
        for key, value in state.items():
            name = re.sub(r"(blocks\.\d+)\.gamma_([12])", r"\1.ls\2.gamma", key.replace("reg_token", "storage_tokens"))
            if key.endswith("q_bias"):
                qkv = key.replace("q_bias", "qkv.bias")
                made[qkv] = torch.cat([value, torch.ones_like(value), state[key.replace("q_bias", "v_bias")]])
                made[f"{qkv}_mask"] = torch.cat([torch.ones(24), torch.zeros(24), torch.ones(24)])
            elif not key.endswith("v_bias"):
                made[name] = value
        return made


class EupeConvNeXt(Renamed):
    def __init__(self):
        network = timm.create_model("convnext_tiny", num_classes=0, dims=(4, 8, 16, 32), depths=(1, 1, 2, 1))
        super().__init__(network, convnext.checkpoint_filter_fn)

    def published(self, state):
        renames = (
            (r"stem\.", "downsample_layers.0."),
            (r"stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"stages\.(\d)\.blocks\.", r"stages.\1."),
            (r"conv_dw\.", "dwconv."),
            (r"mlp\.fc", "pwconv"),
            (r"head\.norm\.", "norm."),
        )
        made = {}
        for key, value in state.items():
            for pattern, new in renames:
                key = re.sub(pattern, new, key)
            made[key] = value
        return made | {f"norms.3.{leaf}": made[f"norm.{leaf}"] for leaf in ("weight", "bias")}
