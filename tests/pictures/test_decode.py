"""Pictures from outside: each odd file is written here, and read as a person would see it, or refused with a reason."""

import gc
import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from featuremaps.errors import FeatureMapsWarning, ImageError
from featuremaps.pictures.load import gather, read
from picture_samples import BLUE, GREEN, RED, pixels, quarters, saved


def png(path, array, colour_type, extra=b""):
    """A PNG of 16 bits, written by hand, since Pillow writes only 16-bit grey."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def key_chunk(*levels):
    body = b"tRNS" + struct.pack(f">{len(levels)}H", *levels)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def tiff16(path, array, order):
    """A 16-bit RGB TIFF in byte order "<" or ">"."""
    height, width, _ = array.shape
    values = array.astype(order + "u2").tobytes()
    short, long = order + "HHIHxx", order + "HHII"
    tags = [
        struct.pack(short, 256, 3, 1, width),
        struct.pack(short, 257, 3, 1, height),
        struct.pack(long, 258, 3, 3, 8),  # bits per sample, at offset 8
        struct.pack(short, 259, 3, 1, 1),  # not compressed
        struct.pack(short, 262, 3, 1, 2),  # RGB
        struct.pack(long, 273, 4, 1, 14),  # the values, at offset 14
        struct.pack(short, 277, 3, 1, 3),
        struct.pack(short, 278, 3, 1, height),
        struct.pack(long, 279, 4, 1, len(values)),
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 14 + len(values))
    bits = struct.pack(order + "3H", 16, 16, 16)
    path.write_bytes(head + bits + values + struct.pack(order + "H", len(tags)) + b"".join(tags) + b"\0\0\0\0")
    return path


# Where the stored row 0 and column 0 lie in the upright picture, from the EXIF specification.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](quarters(48, 32)))
    lossless = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
    path = saved(tmp_path / f"a{suffix}", stored, exif=exif, **lossless)
    np.testing.assert_allclose(pixels(path).astype(int)[4:-4:8, 4:-4:8], quarters(48, 32)[4:-4:8, 4:-4:8], atol=3)
    with Image.open(path) as image:
        np.testing.assert_array_equal(pixels(image), pixels(path))


def test_an_odd_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    np.testing.assert_array_equal(pixels(saved(tmp_path / "a.png", quarters(), exif=exif)), quarters())


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x09\0cut"])
def test_damaged_exif_does_not_hide_the_pixels(tmp_path, exif):
    path = saved(tmp_path / "a.jpg", quarters(48, 32), exif=exif, quality=100, subsampling=0)
    np.testing.assert_allclose(pixels(path)[4, 4].astype(int), RED, atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_alpha_is_laid_on_white(mode):
    image = Image.new("LA" if mode in ("LA", "La") else "RGBA", (3, 2))
    clear, half, opaque = ((40, 0), (40, 128), (40, 255)) if "L" in mode else (
        (200, 0, 90, 0), (40, 40, 40, 128), (40, 40, 40, 255))  # fmt: skip
    for x, colour in enumerate([clear, half, opaque]):
        for y in range(2):
            image.putpixel((x, y), colour)
    seen = pixels(image if mode == image.mode else image.convert(mode))
    assert seen[0, 0].tolist() == [255] * 3  # what is hidden stays hidden
    np.testing.assert_allclose(seen[0, 1], 40 * 128 / 255 + 255 * 127 / 255, atol=2)
    assert seen[0, 2].tolist() == [40] * 3


def test_a_transparent_palette_colour_is_laid_on_white(tmp_path):
    image = Image.new("P", (4, 2), 1)
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putpixel((0, 0), 2)
    for path in (
        saved(tmp_path / "index.gif", image, transparency=2),
        saved(tmp_path / "index.png", image, transparency=2),
        saved(tmp_path / "bytes.png", image, transparency=b"\xff\xff\x00"),
    ):
        assert pixels(path)[0, 0].tolist() == [255, 255, 255], path.name
        assert pixels(path)[1, 1].tolist() == list(GREEN), path.name


def test_a_transparent_colour_key_is_laid_on_white(tmp_path):
    path = saved(tmp_path / "rgb.png", quarters(), transparency=RED)
    assert pixels(path)[0, 0].tolist() == [255, 255, 255]
    assert pixels(path)[-1, 0].tolist() == list(BLUE)
    path = saved(tmp_path / "grey.png", np.array([[7, 9], [9, 9]], np.uint8), transparency=7)
    assert pixels(path)[..., 0].tolist() == [[255, 9], [9, 9]]
    wide = np.full((2, 2, 3), 32768)
    wide[0, 0] = (40000, 300, 70)
    path = png(tmp_path / "rgb16.png", wide, 2, key_chunk(40000, 300, 70))
    assert pixels(path)[..., 1].tolist() == [[255, 128], [128, 128]]
    path = png(tmp_path / "grey16.png", np.array([[500, 32768], [32768, 501]]), 0, key_chunk(500))
    assert pixels(path)[..., 1].tolist() == [[255, 128], [128, 2]]


@pytest.mark.parametrize(
    ("mode", "suffix", "atol"),
    [
        ("RGB", ".png", 0), ("CMYK", ".tif", 1), ("CMYK", ".jpg", 3), ("YCbCr", ".tif", 2), ("YCbCr", ".jpg", 3),
        ("HSV", None, 3), ("LAB", ".tif", 3), ("RGBX", ".tif", 0), ("RGB", ".bmp", 0), ("RGB", ".ppm", 0),
        ("RGB", ".tga", 0), ("RGB", ".jp2", 2), ("RGB", ".webp", 4),
    ],
)  # fmt: skip
def test_every_colour_mode_is_shown_as_it_is(tmp_path, mode, suffix, atol):
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    elif mode != "RGB":
        image = image.convert(mode)
    seen = pixels(image if suffix is None else saved(tmp_path / f"a{suffix}", image))
    np.testing.assert_allclose(seen[8, 8].astype(int), (200, 100, 50), atol=atol)


def test_one_bit_and_palette(tmp_path):
    bits = np.array([[True, False], [False, True]])
    assert pixels(saved(tmp_path / "a.png", Image.fromarray(bits)))[..., 2].tolist() == [[255, 0], [0, 255]]
    palette = Image.fromarray(quarters()).convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(pixels(saved(tmp_path / "b.png", palette)), quarters())
    np.testing.assert_array_equal(pixels(saved(tmp_path / "b.gif", palette)), quarters())


SIXTEEN = np.array([[0, 257], [32768, 65535]])
EIGHT = [[0, 1], [128, 255]]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bit_grey_is_scaled(tmp_path, suffix):
    path = saved(tmp_path / f"a{suffix}", SIXTEEN.astype(np.uint16))
    assert pixels(path)[..., 0].tolist() == EIGHT
    with Image.open(path) as image:
        assert pixels(image)[..., 0].tolist() == EIGHT


def test_sixteen_bit_grey_in_big_endian(tmp_path):
    path = tmp_path / "a.tif"
    grey = Image.frombytes("I;16B", (2, 2), SIXTEEN.astype(">u2").tobytes())
    assert pixels(saved(path, grey))[..., 0].tolist() == EIGHT


def test_sixteen_bit_colour_is_scaled(tmp_path):
    rgb = np.stack([SIXTEEN, SIXTEEN.T, SIXTEEN], -1)
    expected = np.stack([np.array(EIGHT), np.array(EIGHT).T, np.array(EIGHT)], -1)
    for path in (
        png(tmp_path / "a.png", rgb, 2),
        tiff16(tmp_path / "little.tif", rgb, "<"),
        tiff16(tmp_path / "big.tif", rgb, ">"),
        png(tmp_path / "rgba.png", np.concatenate([rgb, np.full((2, 2, 1), 65535)], -1), 6),
    ):
        np.testing.assert_array_equal(pixels(path), expected, err_msg=path.name)
    grey_alpha = np.stack([SIXTEEN, np.array([[65535, 65535], [65535, 0]])], -1)
    assert pixels(png(tmp_path / "la.png", grey_alpha, 4))[..., 0].tolist() == [[0, 1], [128, 255]]
    grey_alpha[0, 0, 1] = 0
    assert pixels(png(tmp_path / "la.png", grey_alpha, 4))[..., 0].tolist() == [[255, 1], [128, 255]]


def test_older_pillow_reads_sixteen_bits_as_thirty_two(tmp_path):
    with Image.open(saved(tmp_path / "a.png", SIXTEEN.astype(np.uint16))) as image:
        image.load()
        wide = image.convert("I")
        wide.format = "PNG"
        assert pixels(wide)[..., 0].tolist() == EIGHT


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5], [0.25, 1.0]], np.float32), [[0, 128], [64, 255]]),
        (np.array([[0.0, 50.0], [100.0, 254.6]], np.float32), [[0, 50], [100, 255]]),
        (np.array([[0, 50], [100, 255]], np.int32), [[0, 50], [100, 255]]),
    ],
)
def test_thirty_two_bit_tiff(tmp_path, values, expected):
    assert pixels(saved(tmp_path / "a.tif", values))[..., 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0, 300], [1, 70000]], np.int32), "int32 values from 0 to 70000 are neither 0..1 nor 0..255"),
        (np.array([[-1.0, 0.0], [1.0, 2.0]], np.float32), "from -1 to 2 are neither"),
        (np.array([[np.nan, 0.0], [1.0, 0.5]], np.float32), "NaN or infinity"),
        (np.array([[np.inf, 0.0], [1.0, 0.5]], np.float32), "NaN or infinity"),
    ],
)
def test_values_with_an_unknown_white_are_refused(tmp_path, values, reason):
    path = saved(tmp_path / "a.tif", values)
    with pytest.raises(ImageError, match=rf"a\.tif: .*{reason}"):
        read(path)
    with pytest.raises(ImageError, match=reason):
        gather(values)


def swapped_profile():
    """An ICC profile whose red is sRGB's blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tmp1").replace(b"bXYZ", b"rXYZ").replace(b"tmp1", b"bXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_colour_profile_is_converted_to_srgb(tmp_path, suffix):
    path = saved(tmp_path / f"a{suffix}", Image.new("RGB", (16, 16), RED), icc_profile=swapped_profile())
    np.testing.assert_allclose(pixels(path)[8, 8].astype(int), BLUE, atol=4)


def test_a_colour_profile_leaves_transparency_alone(tmp_path):
    image = Image.new("RGBA", (4, 4), (*RED, 255))
    image.putpixel((0, 0), (*RED, 0))
    seen = pixels(saved(tmp_path / "a.png", image, icc_profile=swapped_profile()))
    assert seen[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(seen[2, 2].astype(int), BLUE, atol=2)


@pytest.mark.parametrize("profile", ["srgb", "broken", "other"])
def test_a_profile_that_says_nothing_new_changes_nothing(tmp_path, profile):
    image, content = Image.fromarray(quarters()), b"not a profile at all"
    if profile == "srgb":
        content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if profile == "other":  # a grey picture with a profile for RGB
        image, content = image.convert("L"), swapped_profile()
    path = saved(tmp_path / "a.png", image, icc_profile=content)
    np.testing.assert_array_equal(pixels(path), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".gif", {}), (".webp", {"lossless": True}), (".png", {}), (".tif", {})],
)
def test_the_first_frame_of_several(tmp_path, suffix, options):
    first, second = Image.fromarray(quarters()), Image.new("RGB", (12, 8), (9, 9, 9))
    path = saved(tmp_path / f"a{suffix}", first, save_all=True, append_images=[second], **options)
    with Image.open(path) as image:
        assert image.n_frames == 2
    with pytest.warns(FeatureMapsWarning, match=r"file holds 2 pictures, and the first is taken\. .*ImageSequence"):
        np.testing.assert_array_equal(pixels(path), quarters())


def test_a_phone_s_second_picture_is_no_page(tmp_path):
    small = Image.new("RGB", (12, 8), (9, 9, 9))
    path = saved(tmp_path / "a.mpo", Image.fromarray(quarters()), save_all=True, append_images=[small])
    assert pixels(path).shape == quarters().shape


def test_a_first_frame_smaller_than_its_canvas(tmp_path):
    stream = BytesIO()
    Image.new("RGB", (2, 2), RED).save(stream, "GIF")
    content = bytearray(stream.getvalue())
    content[6:10] = struct.pack("<HH", 6, 4)
    frame = content.index(b",", 13 + 3 * 2 ** ((content[10] & 7) + 1))
    content[frame + 1 : frame + 5] = struct.pack("<HH", 3, 1)
    path = tmp_path / "a.gif"
    path.write_bytes(content)
    seen = pixels(path)
    assert seen.shape == (4, 6, 3)
    assert (seen[1:3, 3:5] == RED).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp", ".bmp", ".tif", ".jp2", ".tga", ".ppm", ".avif"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_an_image_error(tmp_path, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(tmp_path / f"cut{suffix}", noise)
    assert read(path).image.size == (64, 64)
    content = path.read_bytes()
    path.write_bytes(content[: max(4, int(len(content) * share))])
    with pytest.raises(ImageError, match=rf"cut\{suffix}: ") as caught:
        read(path)
    assert any(word in str(caught.value) for word in ("damaged", "text", "too small"))


def test_a_misnamed_picture_is_read(tmp_path):
    path = saved(tmp_path / "a.jpg", quarters(), format="PNG")
    np.testing.assert_array_equal(pixels(path), quarters())


HEADS = {
    "text.jpg": (b"just some words\n", "the content is text"),
    "page.jpg": (b"<!DOCTYPE html><html>not found</html>", "web page.*download probably failed"),
    "zero.jpg": (b"", r"empty \(0 bytes\)"),
    "drawing.svg": (b'<?xml version="1.0"?><svg xmlns="x"></svg>', "SVG .*rsvg-convert"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not supported: .*pillow-heif"),
    "scan.dcm": (b"\0" * 128 + b"DICM" + b"\0" * 50, "DICOM .*pydicom"),
    "camera.nef": (b"II*\0" + b"\0" * 60, "camera RAW .*rawpy"),
    "page.pdf": (b"%PDF-1.7 ...", "PDF .*pdftoppm"),
    "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    "bands.tif": (b"II*\0" + b"\x08" + bytes(40), "of many channels, .*tifffile.imread"),
    "array.png": (b"\x93NUMPY\x01\0v\0", "numpy.load"),
    "new.jxl": (b"\xff\x0a\0\0\0", "JPEG XL .*djxl"),
    "tensor.pt": (b"PK\x03\x04" + b"\0" * 26 + b"tensor/data.pkl", r"torch\.save.*torch\.load"),
    "scan.nii.gz": (b"\x1f\x8b\x08" + b"\0" * 40, r"gzip.*nibabel"),
    "cells.h5": (b"\x89HDF\r\n" + b"\0" * 40, "HDF5.*h5py"),
    "arrays.npz": (b"PK\x03\x04" + b"\0" * 40, r"zip archive.*numpy\.load"),
    "film.mp4": (b"\0\0\0\x18ftypmp42" + b"\0" * 40, "a video: pass single frames"),
    "film.webm": (b"\x1aE\xdf\xa3" + b"\0" * 40, "a video: pass single frames"),
    "list.csv": (b"path,label\na.png,cat\n", r"a table: .*pandas\.read_csv"),
    "noise.jpg": (bytes(range(256)), "not a picture in a format that Pillow reads"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_file_that_is_no_picture_says_what_it_is(tmp_path, name):
    content, reason = HEADS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"{name}: .*{reason}"):
        read(path)
    with pytest.raises(ImageError, match=rf"{name}: .*{reason}"):
        gather(path)


def test_a_raw_file_is_not_taken_for_its_preview(tmp_path):
    path = saved(tmp_path / "a.tif", quarters()).rename(tmp_path / "a.DNG")
    with pytest.raises(ImageError, match="camera RAW"):
        read(path)


def test_paths_that_lead_nowhere(tmp_path, monkeypatch):
    saved(tmp_path / "kitten.png", quarters())
    with pytest.raises(ImageError, match=r"kiten\.png: there is no such file\. Did you mean 'kitten\.png'\?"):
        read(tmp_path / "kiten.png")
    with pytest.raises(ImageError, match=r"folder .*none does not exist either"):
        read(tmp_path / "none" / "a.png")
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(ImageError, match=r"x\.jpg: this is a folder"):
        read(tmp_path / "x.jpg")
    with pytest.raises(ImageError, match="cannot be opened"):
        read(tmp_path / "kitten.png" / "inside.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        read("nul\0.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        gather("long" * 100)
    with pytest.raises(ImageError, match="home"):
        read("~nobody-of-this-name/a.png")

    def refuse(*_args, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"kitten\.png: it cannot be opened \(Permission denied\)"):
        read(tmp_path / "kitten.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: this is not an ordinary file"):
        read(tmp_path / "pipe.png")


@pytest.mark.parametrize(("width", "height"), [(1, 8), (8, 1), (1, 1)])
def test_a_picture_thinner_than_two_pixels(tmp_path, width, height):
    path = saved(tmp_path / "a.png", quarters()[:height, :width])
    with pytest.raises(ImageError, match=rf"a\.png: {width} x {height} pixels is too small"):
        read(path)
    with pytest.raises(ImageError, match="too small"):
        gather(np.zeros((height, width), np.uint8))


@pytest.mark.parametrize("limit", [90, 40])
def test_a_decompression_bomb_is_refused_and_nothing_global_changes(tmp_path, monkeypatch, limit):
    path = saved(tmp_path / "a.png", quarters())  # 96 pixels: Pillow warns above 90, and raises above 2 x 40
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        during = list(warnings.filters)
        with pytest.raises(ImageError, match=r"a\.png: .*shrink it first or set PIL.Image.MAX_IMAGE_PIXELS"):
            read(path)
        assert warnings.filters == during
    assert not caught
    assert warnings.filters == filters
    assert limit == Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read(path).image.size == (12, 8)


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted on this system")
def test_files_are_closed(tmp_path):
    fine = saved(
        tmp_path / "a.mpo", Image.fromarray(quarters()), save_all=True, append_images=[Image.new("RGB", (12, 8))]
    )
    cut = tmp_path / "cut.png"
    cut.write_bytes(saved(tmp_path / "b.png", quarters()).read_bytes()[:60])
    gc.collect()
    before = open_files()
    for _ in range(3):
        assert len(gather([fine, cut])) == 1
    # Without collecting garbage first: a handle that waits for that is a leak.
    after = open_files()
    assert after == before


# Arrays


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 12), [(12, 8)]), ((8, 12, 1), [(12, 8)]), ((8, 12, 3), [(12, 8)]), ((8, 12, 4), [(12, 8)]),
        ((3, 8, 12), [(12, 8)]), ((1, 8, 12), [(12, 8)]), ((5, 8, 12, 3), [(12, 8)] * 5),
        ((5, 3, 8, 12), [(12, 8)] * 5), ((3, 8, 3), [(8, 3)]), ((2, 8, 12, 1), [(12, 8)] * 2),
    ],
)  # fmt: skip
def test_array_shapes(shape, expected):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for given in (array, torch.from_numpy(array)):
        assert [picture.image.size for picture in gather(given)] == expected


@pytest.mark.parametrize(
    "shape", [(5,), (), (10, 28, 28), (2, 8, 12), (4, 8, 12), (1, 2, 3, 8, 12), (0, 12, 3), (8, 12, 2)]
)
def test_array_shapes_without_a_clear_reading(shape):
    with pytest.raises(ImageError, match=r"an array of shape .*(no clear reading|is empty)"):
        gather(np.zeros(shape, np.uint8))


def test_array_channels_are_red_green_blue():
    np.testing.assert_array_equal(pixels(quarters()), quarters())
    np.testing.assert_array_equal(pixels(quarters().transpose(2, 0, 1)), quarters())
    np.testing.assert_array_equal(pixels(torch.from_numpy(quarters()).permute(2, 0, 1)), quarters())
    np.testing.assert_array_equal(pixels(quarters()[::-1]), quarters()[::-1])


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [(np.uint8, 1), (np.uint16, 257), (">u2", 257), (np.int64, 1), (np.int16, 1), (np.float32, 1 / 255),
     (np.float64, 1 / 255), (np.float16, 1), (np.float32, 1)],
)  # fmt: skip
def test_array_types(dtype, factor):
    np.testing.assert_array_equal(pixels((quarters().astype(float) * factor).astype(dtype)), quarters())


def test_boolean_and_odd_array_types():
    assert pixels(np.eye(2, dtype=bool))[..., 0].tolist() == [[255, 0], [0, 255]]
    assert pixels(torch.eye(2, dtype=torch.bool))[..., 0].tolist() == [[255, 0], [0, 255]]
    for dtype in (complex, object):
        with pytest.raises(ImageError, match="are not a picture's"):
            gather(np.zeros((4, 4), dtype))


def test_a_float_array_just_over_one_does_not_turn_black():
    assert pixels(np.full((4, 4), 1.0004))[0, 0].tolist() == [255] * 3
    with pytest.raises(ImageError, match=r"from 0 to 1\.2 are neither"):
        gather(np.array([[0.0, 1.2], [1.0, 1.0]]))
    with pytest.raises(ImageError, match="neither"):
        gather(np.array([[0.0, 256.0], [1.0, 1.0]]))


def test_a_dark_picture_in_a_bright_batch_keeps_the_scale_of_the_batch():
    batch = np.stack([np.full((4, 4, 3), 200.0), np.full((4, 4, 3), 1.0)])
    assert [int(np.asarray(picture.image).max()) for picture in gather(batch)] == [200, 1]
