"""Writes the files of `data/` with PyTorch: checkpoints in both formats, and a small ResNet with its features.

The tests read them without PyTorch and compare with what NumPy says here. Written with PyTorch 2.13.0; where it is
installed, `python tests/checkpoints/make_torch_files.py` writes them anew.
"""

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np

DATA = Path(__file__).with_name("data")
WIDTH = 0.03125  # of ResNet-18: 2 channels in the first stage
IMAGE_SHAPE = (2, 35, 44, 3)


def numbers(dtype):
    """The tensor of a dtype: [3, 4] with both signs where the dtype has them; exact in bfloat16."""
    return (np.arange(12).reshape(3, 4) % 7 - 3 * (np.dtype(dtype).kind != "u")).astype(dtype)


DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")


def images():
    """Images `[N, H, W, C]` of the ResNet's features."""
    return np.random.default_rng(0).normal(size=IMAGE_SHAPE).astype("float32")


def expected(dtypes=DTYPES):
    """What `read_torch` is to give for the files that hold every kind of value."""
    base = np.arange(24, dtype="float32")
    return {
        "dtypes": {dtype: numbers(dtype) for dtype in dtypes} | {"bfloat16": numbers("float32")},
        "views": {
            "whole": base.reshape(4, 6),
            "transposed": base.reshape(4, 6).T,
            "part": base.reshape(4, 6)[1:3, 2::2],
            "expanded": np.broadcast_to(base[:1], (3, 2)),
        },
        "scalar": np.array(7, "int64"),
        "empty": np.zeros((0, 3), "float32"),
        "parameter": np.ones(2, "float32"),
        "args": {"lr": 0.5, "arch": "vit_small", "nested": {"a": [1, None, True]}},
        "values": [1, -2, 2**40, 1.5, "ä", (1, 2), {3: "int key"}],
        "numpy": [2.5, 3, True],
        "torch": ["float32", "cuda:1", (2, 3)],
    }


def content():
    """The same as PyTorch's values."""
    import torch

    base = torch.arange(24, dtype=torch.float32)
    grid = base.reshape(4, 6)
    tensors = OrderedDict((dtype, torch.from_numpy(numbers(dtype))) for dtype in DTYPES)
    tensors["bfloat16"] = torch.from_numpy(numbers("float32")).to(torch.bfloat16)
    args = argparse.Namespace(**expected()["args"])
    return {
        "dtypes": tensors,
        "views": {
            "whole": grid,
            "transposed": grid.t(),
            "part": grid[1:3, 2::2],
            "expanded": base[:1].expand(3, 2),
        },
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "args": args,
        "values": expected()["values"],
        "numpy": [np.float64(2.5), np.int32(3), np.bool_(True)],
        "torch": [torch.float32, torch.device("cuda", 1), torch.ones(2, 3).shape],
    }


def tiny():
    """A little of every kind, for mutations."""
    import torch

    base = torch.arange(6, dtype=torch.float32)
    weights = OrderedDict(a=base.reshape(2, 3).t(), n=torch.tensor(1))
    return {"w": weights, "args": argparse.Namespace(lr=0.5), "x": [np.float32(1), (1, None), torch.ones(1).bfloat16()]}


def resnet18(channels):
    """A ResNet-18 in plain PyTorch, under torchvision's names; `channels` are those of the first stage."""
    from torch import nn

    def conv(inputs, outputs, kernel, stride=1):
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = conv(3, channels, 7, 2), nn.BatchNorm2d(channels)
            for stage in range(4):
                outputs = channels * 2**stage
                inputs, stride = (outputs // 2, 2) if stage else (channels, 1)
                blocks = nn.Sequential(Block(inputs, outputs, stride), Block(outputs, outputs, 1))
                setattr(self, f"layer{stage + 1}", blocks)
            self.fc = nn.Linear(8 * channels, 5)

        def forward(self, x):
            x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
            return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))

    return Network()


def main():
    import torch

    DATA.mkdir(exist_ok=True)
    torch.manual_seed(0)
    torch.save(content(), DATA / "values_zip.pt")
    stream = {"_use_new_zipfile_serialization": False}
    torch.save(content(), DATA / "values_stream.pt", **stream)
    torch.save(tiny(), DATA / "tiny_zip.pt")
    torch.save(tiny(), DATA / "tiny_stream.pt", **stream)

    network = resnet18(int(64 * WIDTH))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
        x = torch.from_numpy(images()).permute(0, 3, 1, 2)
        network.train()
        for _ in range(3):  # moves the running statistics
            network(x)
        features = network.eval()(x)
    wrapped = OrderedDict((f"module.{key}", value) for key, value in network.state_dict().items())
    checkpoint = {"epoch": 3, "state_dict": wrapped, "features": features, "args": argparse.Namespace(arch="resnet18")}
    torch.save(checkpoint, DATA / "resnet18_stream.pt", **stream)
    print(features.shape, features.abs().max(), {path.name: path.stat().st_size for path in DATA.iterdir()})


if __name__ == "__main__":
    main()
