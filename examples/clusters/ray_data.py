"""Embeds images in object storage on a Ray cluster: shards that `keras_ssl.evaluation.open_features` opens.

    pip install "ray[data]" keras_ssl
    python examples/clusters/ray_data.py --images=s3://bucket/photos --model=dinov2_vits14 --out=s3://bucket/features

A shard that is there is kept, so the same command goes on where it was ended. Without a cluster, Ray runs on this
machine, and paths of its own disk will do.
"""

import argparse
import io

import numpy as np
import ray
from pyarrow import fs

from keras_ssl.workflows.embed import encoder_of
from keras_ssl.workflows.embed_bytes import embed_bytes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", required=True, help="Folder of images, a path or an address.")
parser.add_argument("--model", required=True, help="As for keras_ssl.embed.")
parser.add_argument("--out", required=True, help="Folder for the shards, a path or an address.")
parser.add_argument("--shard_size", type=int, default=8192, help="Images of a shard.")
parser.add_argument("--workers", type=int, default=1, help="Processes with a model each.")
parser.add_argument("--gpus", type=float, default=0, help="GPUs of a worker.")


class Embed:
    """A worker: its model is loaded once."""

    def __init__(self, model, images, out):
        self.encoder, settings = encoder_of(model)
        self.size = settings.size
        self.images, self.root = fs.FileSystem.from_uri(images)
        self.out, self.folder = fs.FileSystem.from_uri(out)

    def __call__(self, row):
        path = f"{self.folder}/{row['shard']}"
        if self.out.get_file_info(path).type != fs.FileType.File:
            files = ((name, self.read(name)) for name in row["names"])
            names, features = embed_bytes(self.encoder, files, image_size=self.size)
            content = io.BytesIO()
            np.savez(content, features=features, names=np.array(names))
            with self.out.open_output_stream(f"{path}.part") as stream:
                stream.write(content.getvalue())
            self.out.move(f"{path}.part", path)
        return {"shard": row["shard"]}

    def read(self, name):
        with self.images.open_input_stream(f"{self.root}/{name}") as stream:
            return stream.read()


def main(arguments):
    storage, root = fs.FileSystem.from_uri(arguments.images)
    found = storage.get_file_info(fs.FileSelector(root, recursive=True))
    names = sorted(info.path.removeprefix(f"{root}/") for info in found if info.type == fs.FileType.File)
    out, folder = fs.FileSystem.from_uri(arguments.out)
    out.create_dir(folder)
    starts = range(0, len(names), arguments.shard_size)
    shards = [
        {
            "shard": f"features-{number:05d}-of-{len(starts):05d}.npz",
            "names": names[start : start + arguments.shard_size],
        }
        for number, start in enumerate(starts)
    ]
    made = ray.data.from_items(shards).map(
        Embed,
        fn_constructor_args=(arguments.model, arguments.images, arguments.out),
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_gpus=arguments.gpus,
    )
    print(f"{len(made.take_all())} shards: {arguments.out}")  # `count` would run nothing


if __name__ == "__main__":
    main(parser.parse_args())
