"""Entries of published weights, small ones on a server of this machine."""

from keras_ssl.hub import Card, CardFile
from tests.checkpoints import make_torch_files
from tests.checkpoints.published import write

RESNET = {"name": "ResNet", "arguments": {"depth": 18, "width": make_torch_files.WIDTH}}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "scale": 255}


def publish(house, server, name, trees, **fields):
    """Puts a card into the zoo, and its files, nested dicts by name, on the server; where the first goes."""
    files = []
    for file_name, tree in trees.items():
        write(house / "made", tree)
        server.files[f"/far/{file_name}"] = (house / "made").read_bytes()
        files.append(CardFile(file_name, None, "first-use", f"{server.address}/far/{file_name}"))
    first = files[0].name
    fields = {"architecture": RESNET, "preprocessing": IMAGENET, "checkpoint": {"path": first}, **fields}
    Card(name=name, files=tuple(files), **fields).write(house / "zoo" / f"{name}.toml")
    return house / "cache" / name / first
