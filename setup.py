"""Packaging of keras_ssl: the library, the zoo's cards and the encoders that ship with the source."""

import os
import re
from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup

HERE = Path(__file__).parent
VERSION = re.findall(r'__version__ = "(.+)"', (HERE / "keras_ssl" / "__init__.py").read_text(encoding="utf-8"))[0]

# Where the project is hosted: said when a release is built (make dist HOMEPAGE=https://...), and nowhere else.
HOMEPAGE = os.environ.get("KERAS_SSL_HOMEPAGE", "").rstrip("/")
PROJECT_URLS = {
    "Source": HOMEPAGE,
    "Documentation": f"{HOMEPAGE}/blob/main/docs/overview.md",
    "Changelog": f"{HOMEPAGE}/blob/main/CHANGELOG.md",
    "Issues": f"{HOMEPAGE}/issues",
}


def long_description() -> str:
    """The README, whose pictures and links to files lead to the project's page, or are left out where none is said."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if HOMEPAGE:
        text = re.sub(r"!\[([^]]*)\]\((?!http)([^)]+)\)", rf"![\1]({HOMEPAGE}/raw/main/\2)", text)
        return re.sub(r"(?<!!)\[([^]]*)\]\((?!http)([^)]+)\)", rf"[\1]({HOMEPAGE}/blob/main/\2)", text)
    text = re.sub(r"!\[[^]]*\]\((?!http)[^)]+\)\n\n\*.*?\*\n\n", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^]]*)\]\((?!http)[^)]+\)", r"\1", text)


# The JAX backend needs no TensorFlow, and someone who serves a SavedModel needs no scikit-learn; both are
# nevertheless installed by default, because the first ten minutes (demo, digits, probes) use all of them.
INSTALL_REQUIRES = [
    "tensorflow>=2.18",  # first backend: tf.data, tf.distribute, SavedModel
    "keras>=3.15.1",  # earlier releases lack security fixes
    "tensorboard",  # the callback writes its files by it
    "pillow",  # PNG in these files; tensorboard itself asks for it too
    "absl-py",  # flags of scripts/
    "numpy>=2.0",
    "requests>=2.32",  # downloads of weights: TLS, proxies and time-outs done right; TensorFlow brings it anyway
    "safetensors>=0.4.3",  # weight files that hold nothing but tensors
    "tomli-w>=1.0",  # writes cards and recipes; Python itself only reads TOML
    "scikit-learn>=1.4",  # the handwritten digits, the linear probe
]
EXTRAS_REQUIRE = {
    "jax": ["jax>=0.5"],
    "formats": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17", "openvino>=2025.0", "ai-edge-litert>=2.0"],
    "dicom": ["pydicom>=3.0"],  # medical images
    "bands": [
        "tifffile>=2024.1",
        "imagecodecs>=2024.1",
    ],  # TIFF of any number of bands; LZW
    "parquet": ["pyarrow>=17"],  # tables of image files as data
    "report": ["matplotlib>=3.9"],  # draws evaluate.py's report, and brings Pillow for its thumbnails
    # selenium drives a headless Chromium, in which the tests open the pages we write
    "test": [
        "jax>=0.5",
        "matplotlib>=3.9",
        "cosmic-ray>=8.4",
        "pytest>=8",
        "pytest-xdist>=3",
        "pillow",
        "huggingface_hub>=2.0",
        "keras-hub>=0.32",
        "pyarrow>=17",
        "pydicom>=3.0",
        "tifffile>=2024.1",
        "selenium>=4.20",
        "onnx>=1.17",
        "onnxruntime>=1.20",
        "tf2onnx>=1.17",
        "openvino>=2025.0",
        "ruff==0.17.6",
        "mypy==2.4.1",
    ],
    "docs": [
        "properdocs>=1.6",  # goes on with MkDocs 1, which its owner has left
        "mkdocs-material>=9.6",
        "mkdocstrings[python]>=1.0",
        "mkdocs-gen-files>=0.6",
        "mkdocs-literate-nav>=0.6",
    ],
    "interop": ["keras-hub>=0.32", "keras-cv==0.9.0"],
    "huggingface": ["huggingface_hub>=2.0"],  # entries in repositories of the Hugging Face Hub
}

# zoo/ and saved_models/ stand at the top of the source tree, where people look for them, and are installed as
# packages so that `load` finds their files wherever the library lives.
DATA_PACKAGES = {"keras_ssl.zoo": "zoo", "keras_ssl.saved_models": "saved_models"}


def data_packages(name: str, folder: str) -> list[str]:
    """The package `name` and every folder below `folder`, as packages of data files."""
    if not (HERE / folder).is_dir():  # git keeps no empty folders
        return []
    return [name] + [f"{name}.{sub}" for sub in find_namespace_packages(folder)]


packages = find_packages(include=["keras_ssl", "keras_ssl.*"])
package_dir = {"": "."}
package_data: dict[str, list[str]] = {
    "keras_ssl": ["py.typed"],
    "keras_ssl.report": ["*.css", "*.js"],
    "keras_ssl.workflows": ["*.json"],
}
for _name, _folder in DATA_PACKAGES.items():
    for _package in data_packages(_name, _folder):
        packages.append(_package)
        package_dir[_package] = _folder + _package[len(_name) :].replace(".", "/")
        package_data[_package] = ["*.toml", "*.json", "*.safetensors", "*.pb", "*.data-*", "*.index", "*.md"]

setup(
    name="keras_ssl",
    version=VERSION,
    description="Self-supervised learning for Keras 3, and a zoo of pretrained encoders",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    url=HOMEPAGE or None,
    project_urls=PROJECT_URLS if HOMEPAGE else {},
    keywords="self-supervised learning, contrastive learning, Keras, TensorFlow, JAX, pretraining, embeddings",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=packages,
    package_dir=package_dir,
    package_data=package_data,
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={"console_scripts": ["keras-ssl = keras_ssl.cli.run:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
