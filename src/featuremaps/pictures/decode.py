"""From the bytes of a file, or an array of values, to an upright 8-bit RGB picture as a person would see it.

Files come from outside and are often odd: orientation, colour profiles, transparency and 16 bits are dealt with, and
what cannot be read is refused with a reason.
"""

import math
import stat
import warnings
from contextlib import suppress
from io import BufferedReader, BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from featuremaps.errors import FeatureMapsWarning, ImageError, did_you_mean
from featuremaps.session import warnings_ignored

Array = NDArray[Any]

_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw")
_OPEN = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".avif", ".bmp", ".dib", ".tif")
_MORE = (".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".j2k", ".psd")
_REFUSED = (".heic", ".heif", ".jxl", ".svg", ".dcm", ".eps")
SUFFIXES = frozenset((*_RAW, *_OPEN, *_MORE, *_REFUSED))
_TURNS = {  # EXIF orientation to the turn that makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
WHITE = {np.dtype(np.bool_): 1, np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""What white is in whole numbers of a kind."""
RANGES = (
    (0, 4095, " (usual of 12 bits: divide by 4095)"),
    (0, 65535, " (usual of 16 bits: divide by 65535)"),
    (-8192, 32767, " (usual of CT in Hounsfield units: choose a window, clip and scale it)"),
)
"""The least and the most of values that are no 8-bit picture's, and what they usually are."""
FEW_BITS = 12
PAGED = ("GIF", "PNG", "TIFF", "WEBP")
"""Formats whose files may hold an animation or several pages."""
TABLES = (".csv", ".tsv", ".parquet", ".xlsx")
TABLE = "this is a table: a survey takes it as it is; here pass the paths in it, pandas.read_csv(…)['path']."
_BOMB = "If you trust the file, shrink it first or set PIL.Image.MAX_IMAGE_PIXELS higher."
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_FILMS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  ", b"3gp4", b"3gp5")
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF = (
    "this is a TIFF of a kind that Pillow does not read, such as one of many channels, or a damaged one: read "
    "it with tifffile.imread(path) and pass the array."
)
_FOREIGN = (
    (b"%PDF", "PDF is not supported: convert the page to PNG with pdftoppm."),
    (b"\x93NUMPY", "this is a NumPy file: load it with numpy.load and pass the array."),
    (b"\x89HDF", "this is an HDF5 file: read it with h5py and pass the array."),
    (b"\x1f\x8b", "this is a gzip archive: unpack it. A scan (.nii.gz) is read with nibabel and passed as an array."),
    (b"\xff\x0a", "JPEG XL is not supported: convert it to PNG with djxl."),
    (b"\0\0\0\x0cJXL ", "JPEG XL is not supported: convert it to PNG with djxl."),
    (b"PK\x03\x04", "this is a zip archive: unpack it, or if NumPy wrote it (.npz), pass numpy.load(…)['name']."),
    *((start, _TIFF) for start in _TIFFS),
    (b"\x1aE\xdf\xa3", _VIDEO := "this is a video: pass single frames of it, as pictures or arrays."),
)


def rgb_pictures(array: Array) -> list[Image.Image]:
    """An array of one picture or a batch as RGB pictures."""
    shape = array.shape
    channels_last = array.ndim > 2 and shape[-1] in (1, 3, 4)
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim in (3, 4) and not channels_last and shape[-3] in (1, 3):
        array = np.moveaxis(array, -3, -1)
    elif array.ndim not in (3, 4) or not channels_last:
        raise ImageError(
            f"an array of shape {shape} has no clear reading as pictures: pass (height, width), "
            "(height, width, channel) or (batch, height, width, channel) with 1, 3 or 4 channels. Several grey: "
            "array[..., None], or list(array)."
        )
    if 0 in shape:
        raise ImageError(f"an array of shape {shape} is empty.")
    levels = _levels(array)
    frames = levels if levels.ndim == 4 else levels[None]
    frames = frames[..., 0] if frames.shape[-1] == 1 else frames
    return [upright_rgb(Image.fromarray(np.ascontiguousarray(frame))) for frame in frames]


def _levels(values: Array) -> NDArray[np.uint8]:
    """Values as 0..255. What white is must be known: a guess from the extremes would depend on the picture."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        if 0 < values.max() < 2**FEW_BITS:
            warnings.warn(
                f"a picture of 16 bits has no value of {2**FEW_BITS} or more, so it becomes nearly black. If it holds "
                f"{FEW_BITS} bits, as of many cameras and in DICOM, pass it as an array of values / {2**FEW_BITS - 1}.",
                FeatureMapsWarning,
                stacklevel=2,
            )
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if values.dtype.kind not in "iuf":
        raise ImageError(f"values of type {values.dtype} are not a picture's: use uint8, uint16, bool or float.")
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError("the values hold NaN or infinity.")
    real = values.dtype.kind == "f"
    # Interpolation overshoots 1 by a little, which must not turn a picture black; a picture in 0..255 goes beyond 2.
    if real and low >= -1e-3 and high <= 1 + 1e-3:
        return np.rint(np.clip(values, 0, 1) * 255.0).astype(np.uint8)
    if low >= 0 and high <= 255 and (not real or high >= 2):
        return np.rint(values).astype(np.uint8)
    raise unknown_white(values)


def unknown_white(values: Array) -> ImageError:
    """The error for values of which it is not known which is white, with what such a range usually is."""
    low, high = float(values.min()), float(values.max())
    usual = next(
        (words for least, most, words in RANGES if least <= low and high <= most and values.dtype.kind != "f"), ""
    )
    return ImageError(
        f"{values.dtype} values from {low:.6g} to {high:.6g} are neither 0..1 nor 0..255{usual}: scale them so that "
        "white is 1 (float), 255 (uint8) or 65535 (uint16). For a preprocessed input, pass a float tensor."
    )


def decoded(path: Path) -> Image.Image:
    """The picture in a file; an `ImageError` gives the reason only."""
    head = _head(path)
    try:
        with path.open("rb") as stream:
            return _decoded(stream, head, path.suffix)
    except OSError as error:
        raise ImageError(_broken(error)) from error


def decoded_bytes(content: bytes, suffix: str = "") -> Image.Image:
    """The picture in the bytes of a file that was called `*suffix`; an `ImageError` gives the reason only."""
    if not content:
        raise ImageError("the file is empty (0 bytes).")
    return _decoded(BytesIO(content), content[:1024], suffix)


def _decoded(stream: BufferedReader | BytesIO, head: bytes, suffix: str) -> Image.Image:
    if suffix.lower() in _RAW:  # Pillow would take the small preview inside
        raise ImageError("camera RAW is not supported: develop it as JPEG or PNG with rawpy or darktable.")
    if head.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):  # Pillow would run Ghostscript on it
        raise ImageError("PostScript is not supported: convert it to PNG.")
    try:
        with _opened(stream) as image:
            _say_pages(image)
            return upright_rgb(image)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(TABLE if suffix.lower() in TABLES else _what_it_is(head)) from error
    except Exception as error:
        raise ImageError(_broken(error)) from error


def _say_pages(image: Image.Image) -> None:
    """A `FeatureMapsWarning` where a file holds several pictures, of which the first is taken."""
    count = 1
    if image.format in PAGED:  # a phone's JPEG may hold a second, smaller one
        with suppress(Exception):  # whether the others are whole is no matter
            count = getattr(image, "n_frames", 1)
    if count > 1:
        warnings.warn(
            f"a {image.format} file holds {count} pictures, and the first is taken. For the others pass a list: "
            "[page.copy() for page in PIL.ImageSequence.Iterator(PIL.Image.open(path))].",
            FeatureMapsWarning,
            stacklevel=2,
        )


def _head(path: Path) -> bytes:
    """The first bytes of an ordinary file that is not empty."""
    try:
        mode = path.stat().st_mode
        head = b""
        if stat.S_ISREG(mode):
            with path.open("rb") as stream:
                head = stream.read(1024)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise ImageError(f"this is a link to {path.readlink()}, which does not exist.") from error
        raise ImageError(f"there is no such file.{_beside(path)}") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"it cannot be opened ({getattr(error, 'strerror', None) or error}).") from error
    if stat.S_ISDIR(mode):
        raise ImageError("this is a folder, not a picture.")
    if not stat.S_ISREG(mode):
        raise ImageError("this is not an ordinary file.")
    if not head:
        raise ImageError("the file is empty (0 bytes).")
    return head


def _beside(path: Path) -> str:
    try:
        return did_you_mean(path.name, [other.name for other in islice(path.parent.iterdir(), 1000)])
    except OSError:
        return f" The folder {path.parent} does not exist either."


def _opened(stream: BufferedReader | BytesIO) -> Image.Image:
    """Pillow's lazy picture, refused where it is larger than Pillow's limit."""
    with warnings_ignored():  # Pillow only warns between its limit and twice its limit
        try:
            image = Image.open(stream)
        except Image.DecompressionBombError as error:
            raise ImageError(f"{error} {_BOMB}") from error
    pixels, limit = image.width * image.height, Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        image.close()
        raise ImageError(f"{image.width} x {image.height} is {pixels} pixels, more than {limit}. {_BOMB}")
    return image


def upright_rgb(image: Image.Image) -> Image.Image:
    """A new RGB picture: upright, 8 bits, sRGB, transparency on white."""
    try:
        image.load()
        if min(image.size) < 2:
            raise ImageError(f"{image.width} x {image.height} pixels is too small; both sides need at least 2.")
        turn = _turn(image)
        profile = None if image.mode == "LAB" else image.info.get("icc_profile")
        if image.mode in ("La", "RGBa"):  # premultiplied
            image = image.convert(image.mode.upper())
        alpha = _alpha(image)
        rgb = _srgb(_eight_bit(image), profile)
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_broken(error)) from error
    if alpha is not None:
        opaque = Image.new("RGB", rgb.size, "white")
        opaque.paste(rgb, mask=alpha)
        rgb = opaque
    return rgb if turn is None else rgb.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The turn that makes the picture upright; damaged EXIF data is no reason to refuse the pixels."""
    with suppress(Exception):
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return None


def _alpha(image: Image.Image) -> Image.Image | None:
    """How opaque each pixel is (mode L), or None where all are."""
    if not image.has_transparency_data:
        return None
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    if isinstance(key, tuple) and max(key) > 255:  # Pillow reads 16-bit colours as 8, but not their key
        image = image.copy()
        image.info["transparency"] = tuple(level >> 8 for level in key)
    return image.convert("RGBA").getchannel("A")


def _eight_bit(image: Image.Image) -> Image.Image:
    """The picture's colours without alpha, in grey, CMYK or RGB, whichever its colour profile is for."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if image.mode == "I" and image.format in ("PNG", "PPM"):  # older Pillow reads 16-bit greys as 32
            values = values.astype(np.uint16)
        return Image.fromarray(_levels(values))
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode in ("CMYK", "RGB"):
        return image
    return (image.convert("RGBA") if image.has_transparency_data else image).convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB as screens show it."""
    if profile:
        # A profile that is broken or for another kind of picture is ignored, as viewers do.
        with suppress(Exception):
            from PIL import ImageCms

            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(embedded).lower():
                screen = ImageCms.createProfile("sRGB")
                image = ImageCms.profileToProfile(image, embedded, screen, outputMode="RGB") or image
    return image.convert("RGB")


def _what_it_is(head: bytes) -> str:
    """What a file is that Pillow does not know, and what to do."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head[128:132] == b"DICM":
        return "DICOM is not supported: read it with pydicom, choose the window, and pass the array."
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return (
            "HEIC is not supported: convert it to JPEG or PNG (heif-convert), or install pillow-heif and call "
            "pillow_heif.register_heif_opener() first."
        )
    if (head[4:8] == b"ftyp" and head[8:12] in _FILMS) or (head.startswith(b"RIFF") and head[8:12] == b"AVI "):
        return _VIDEO
    if head.startswith(b"PK") and b"/data.pkl" in head:
        return "this is a file by torch.save: load it with torch.load and pass the tensor."
    for start, message in _FOREIGN:
        if head.startswith(start):
            return message
    if text.startswith((b"<!doctype html", b"<html")):
        return "this is a web page, not a picture: the download probably failed."
    if b"<svg" in text:
        return "SVG is a drawing, not pixels, and is not supported: convert it to PNG with rsvg-convert or Inkscape."
    if b"\0" not in head and all(byte > 8 for byte in head):
        return "the content is text, not a picture."
    return "the content is not a picture in a format that Pillow reads, or its beginning is damaged."


def _broken(error: Exception) -> str:
    return f"it cannot be decoded, so it is probably damaged or cut short ({type(error).__name__}: {error})."
