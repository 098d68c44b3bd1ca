"""`keras-ssl shards` in a source checkout that need not be installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keras_ssl.cli.run import run

if __name__ == "__main__":
    run("shards")
