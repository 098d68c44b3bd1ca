"""Embeds images in object storage by Apache Beam: shards that `keras_ssl.evaluation.open_features` opens.

    pip install "apache-beam[gcp]" keras_ssl
    python examples/clusters/beam.py --images=gs://bucket/photos --model=dinov2_vits14 --out=gs://bucket/features \
        --runner=DataflowRunner --project=... --region=... --temp_location=gs://bucket/tmp

A shard that is there is kept, so the same command goes on where it was ended. Further flags are those of Beam; without
any it runs on this machine, and paths of its own disk will do.
"""

import argparse
import io

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", required=True, help="Folder of images, a path or an address.")
parser.add_argument("--model", required=True, help="As for keras_ssl.embed.")
parser.add_argument("--out", required=True, help="Folder for the shards, a path or an address.")
parser.add_argument("--shard_size", type=int, default=8192, help="Images of a shard.")


class Embed(beam.DoFn):
    """A worker: its model is loaded once."""

    def __init__(self, model, images, out):
        self.model, self.images, self.out = model, images, out

    def setup(self):
        from keras_ssl.workflows.embed import encoder_of

        self.encoder, settings = encoder_of(self.model)
        self.size = settings.size

    def process(self, shard):
        from keras_ssl.workflows.embed_bytes import embed_bytes

        name, images = shard
        path = FileSystems.join(self.out, name)
        if not FileSystems.exists(path):
            files = ((image, self.read(image)) for image in images)
            names, features = embed_bytes(self.encoder, files, image_size=self.size)
            content = io.BytesIO()
            np.savez(content, features=features, names=np.array(names))
            with FileSystems.create(f"{path}.part", compression_type="uncompressed") as stream:
                stream.write(content.getvalue())
            FileSystems.rename([f"{path}.part"], [path])
        yield name

    def read(self, file):
        with FileSystems.open(FileSystems.join(self.images, file), compression_type="uncompressed") as stream:
            return stream.read()


def main(arguments, others):
    found = FileSystems.match([FileSystems.join(arguments.images, "**")])[0].metadata_list
    names = sorted(file.path.removeprefix(arguments.images).lstrip("/") for file in found)
    if not FileSystems.exists(arguments.out):
        FileSystems.mkdirs(arguments.out)
    starts = range(0, len(names), arguments.shard_size)
    shards = [
        (f"features-{number:05d}-of-{len(starts):05d}.npz", names[start : start + arguments.shard_size])
        for number, start in enumerate(starts)
    ]
    with beam.Pipeline(options=PipelineOptions(others, save_main_session=True)) as pipeline:
        embed = beam.ParDo(Embed(arguments.model, arguments.images, arguments.out))
        pipeline | beam.Create(shards) | beam.Reshuffle() | embed  # each shard on whichever worker is free
    print(f"{len(shards)} shards: {arguments.out}")


if __name__ == "__main__":
    main(*parser.parse_known_args())
