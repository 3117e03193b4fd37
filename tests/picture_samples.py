"""A picture whose turns all differ, and how tests save and read it."""

from pathlib import Path

import numpy as np
from PIL import Image

from featuremaps.pictures.load import gather, read

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (100, 100, 100)


def quarters(width=12, height=8):
    """Red, green; blue, grey: no two turns of it are alike."""
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2], array[: height // 2, width // 2 :] = RED, GREEN
    array[height // 2 :, : width // 2], array[height // 2 :, width // 2 :] = BLUE, GREY
    return array


def pixels(source):
    picture = read(source) if isinstance(source, str | Path) else gather(source)[0]
    assert picture.image.mode == "RGB"
    return np.asarray(picture.image)


def saved(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path
