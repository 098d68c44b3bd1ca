"""Images of DICOM files, as 8-bit pixels on the scale that the file declares."""

import io
from importlib.util import find_spec
from typing import Any

import numpy as np

EXTENSIONS = (".dcm", ".dicom")
MISSING = "DICOM files are read by pydicom: pip install 'keras_ssl[dicom]'"
_MARK = slice(128, 132)  # where a DICOM file says what it is
_INVERTED = "MONOCHROME1"


def pydicom_is_installed() -> bool:
    """Whether DICOM files can be read."""
    return find_spec("pydicom") is not None


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with `head`, 132 bytes or more, is a DICOM file."""
    return head[_MARK] == b"DICM"


def check_dicom(file: Any) -> tuple[int, int]:
    """Height and width in pixels that the header of an opened file tells; no pixel is read.

    Raises:
        OSError: if the header cannot be read, or there is no image.
        ImportError: if pydicom is not installed.
    """
    try:
        header = _pydicom().dcmread(file, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        return int(header.Rows), int(header.Columns)
    except ImportError:
        raise
    except Exception as error:  # pydicom has errors of many kinds
        raise OSError(f"pydicom cannot read the header: {error}") from error


def dicom_pixels(content: bytes) -> np.ndarray:
    """The first image of a DICOM file, uint8 `[H, W]` of gray images and `[H, W, 3]` of color images.

    Stored values of gray images are rescaled by slope and intercept. Where the file declares a window (the first of
    several), it decides what is black and what is white, by its function (linear, exactly linear or sigmoid). Otherwise
    these are the least and the largest value that the bits of a pixel can store, rescaled. MONOCHROME1, in which 0 is
    white, is inverted. No value of the image itself has a part in its scale.

    Args:
        content: of the file.

    Raises:
        OSError: if the image cannot be decoded: it is damaged, or of a compression that needs a further package.
        ImportError: if pydicom is not installed.

    Source:
        DICOM PS3.3, C.7.6.3 (image pixel), C.11.1 (modality look-up table) and C.11.2 (value of interest).
    """
    try:
        pydicom = _pydicom()
        data, pixels = pydicom.dcmread(io.BytesIO(content)), pydicom.pixels
        stored = pixels.pixel_array(data, index=0)
        kind = data.PhotometricInterpretation
        if kind == "PALETTE COLOR":
            stored = pixels.apply_color_lut(stored, data)
            return _bytes(stored / np.iinfo(stored.dtype).max)
        if stored.ndim == 3:
            return _bytes(stored / (2.0 ** int(data.BitsStored) - 1))
        unit = _unit_gray(data, stored.astype(np.float64))
        return _bytes(1 - unit if kind == _INVERTED else unit)
    except ImportError:
        raise
    except Exception as error:  # pydicom and its decoders have errors of many kinds
        raise OSError(f"pydicom cannot decode the image: {error}") from error


def _unit_gray(data: Any, stored: np.ndarray) -> np.ndarray:
    """Values of a gray image from 0 to 1."""
    slope, intercept = (
        float(data.get(name) or default) for name, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    values = stored * slope + intercept
    if data.get("WindowCenter") is not None and data.get("WindowWidth") is not None:
        center, width = (float(np.ravel(data[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
        return _windowed(values, center, width, data.get("VOILUTFunction") or "LINEAR")
    bits, signed = int(data.BitsStored), int(data.PixelRepresentation)
    ends = np.array([-(2 ** (bits - 1)) * signed, 2 ** (bits - signed) - 1]) * slope + intercept
    return (values - ends.min()) / (ends.max() - ends.min())


def _windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR":  # whose window is counted in steps between whole numbers
        center, width = center - 0.5, max(width - 1, 1e-6)
    return (values - center) / width + 0.5


def _bytes(unit: np.ndarray) -> np.ndarray:
    return np.round(unit.clip(0, 1) * 255).astype(np.uint8)


def _pydicom() -> Any:
    try:
        import pydicom.pixels
    except ImportError as error:
        raise ImportError(MISSING) from error
    return pydicom
