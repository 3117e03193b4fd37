"""Transforms of every make whose placement and normalisation are known exactly, by name."""

import random

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F
from torchvision import models
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.functional import to_tensor

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NORMALIZE = v1.Normalize(MEAN, STD)
LANDSCAPE, PORTRAIT = (500, 375), (375, 500)


def resized_and_cropped(size, resize, crop):
    """The box of `Resize(resize)`, `CenterCrop(crop)`: the shorter side is resized, the longer one rounded down."""
    width, height = size
    short = min(size)
    new = [resize if side == short else int(resize * side / short) for side in size]
    left, top = (round((side - crop) / 2.0) for side in new)
    x, y = width / new[0], height / new[1]
    return (left * x, top * y, (left + crop) * x, (top + crop) * y)


def tensor_first(antialias):
    return v2.Compose(
        [v2.ToImage(), v2.Resize(256, antialias=antialias), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True)]
    )


def interpolated(mode):
    return v1.Compose([v1.Resize(235, mode), v1.CenterCrop(224), v1.ToTensor()])


CROPPED = {
    "preset": (models.ResNet50_Weights.IMAGENET1K_V1.transforms(), 256, 224),
    "preset v2": (models.ResNet50_Weights.IMAGENET1K_V2.transforms(), 232, 224),
    "227": (v1.Compose([v1.Resize(256), v1.CenterCrop(227), v1.ToTensor(), NORMALIZE]), 256, 227),
    "one level per pixel": (v1.Compose([v1.Resize(255), v1.CenterCrop(255), v1.ToTensor()]), 255, 255),
    "tensor, antialiased": (tensor_first(True), 256, 224),
    "tensor, not antialiased": (tensor_first(False), 256, 224),
    "bicubic": (interpolated(v1.InterpolationMode.BICUBIC), 235, 224),
    "lanczos": (interpolated(v1.InterpolationMode.LANCZOS), 235, 224),
    "nearest": (interpolated(v1.InterpolationMode.NEAREST), 235, 224),
}  # fmt: skip


def letterbox(image):
    return to_tensor(ImageOps.pad(image, (224, 224), color=(114, 114, 114)))


def corner(image):
    """Resized to 100 x 80 and put in the lower right of a square."""
    canvas = Image.new("RGB", (224, 224), (128, 128, 128))
    canvas.paste(image.resize((100, 80)), (124, 144))
    return to_tensor(canvas)


BOXES = {
    "distorted": (v1.Compose([v1.Resize((224, 100)), v1.ToTensor()]), (0, 0, 500, 375)),
    "letterbox": (letterbox, (0, -62.5, 500, 437.5)),
    "corner": (corner, (-620, -675, 500, 375)),
    "not resized": (v1.ToTensor(), (0, 0, 500, 375)),
    "no transform": (None, (0, 0, 500, 375)),
    "crop larger than the picture": (v1.Compose([v1.CenterCrop(600), v1.ToTensor()]), (-50, -112, 550, 488)),
    "mirrored": (lambda image: to_tensor(ImageOps.mirror(image)), (0, 0, 500, 375)),
    "upside down": (lambda image: to_tensor(ImageOps.flip(image.resize((64, 64)))), (0, 0, 500, 375)),
    "repeated edges": (v1.Compose([v1.Pad(40, padding_mode="edge"), v1.ToTensor()]), (-40, -40, 540, 415)),
    "five parts": (lambda image: to_tensor(image.crop((400, 300, 450, 340)).resize((200, 160))), (400, 300, 450, 340)),
    "grey": (v1.Compose([v1.Grayscale(), v1.Resize((64, 64)), v1.ToTensor()]), (0, 0, 500, 375)),
    "blue first": (lambda image: to_tensor(image).flip(0) * 255 - 110, (0, 0, 500, 375)),
    "blurred": (lambda image: to_tensor(v1.functional.gaussian_blur(image, 9)), (0, 0, 500, 375)),
}  # fmt: skip


class Jitter:
    """Moves pictures by a chance of its own, which no one else sees."""

    def __init__(self, reach):
        self.reach = reach
        self.chance = random.Random(0)

    def __call__(self, image):
        return to_tensor(image).roll(self.chance.randrange(self.reach), 2)


def numpy_crop(image):
    left = np.random.randint(0, 20)
    return to_tensor(image.crop((left, 0, left + 100, 100)))


NORMALIZED = {
    "none": (None, [0, 0, 0], [1, 1, 1], (0, 1, 2)),
    "imagenet": (CROPPED["preset"][0], MEAN, STD, (0, 1, 2)),
    "half": (v1.Compose([v1.ToTensor(), v1.Normalize([0.5] * 3, [0.5] * 3)]), [0.5] * 3, [0.5] * 3, (0, 1, 2)),
    "padded": (v1.Compose([v1.CenterCrop(600), v1.ToTensor(), NORMALIZE]), MEAN, STD, (0, 1, 2)),
    "bytes": (v1.PILToTensor(), [0] * 3, [1 / 255] * 3, (0, 1, 2)),
    "blue first": (BOXES["blue first"][0], [110 / 255] * 3, [1 / 255] * 3, (2, 1, 0)),
    "negative": (lambda image: 1 - to_tensor(image), [1] * 3, [-1] * 3, (0, 1, 2)),
    "grey": (v1.Compose([v1.Grayscale(), v1.ToTensor(), v1.Normalize([0.2], [0.4])]), [0.2], [0.4], (0,)),
    "grey thrice": (v1.Compose([v1.Grayscale(3), v1.ToTensor(), NORMALIZE]), MEAN, STD, (0,)),
    "four channels": (lambda image: F.pad(to_tensor(image), (0, 0, 0, 0, 0, 1)), [0] * 3, [1] * 3, (0, 1, 2)),
    "random crop": (v1.Compose([v1.RandomResizedCrop(64), v1.ToTensor(), NORMALIZE]), MEAN, STD, (0, 1, 2)),
}  # fmt: skip


def standardised(image):
    tensor = to_tensor(image)
    return (tensor - tensor.mean()) / tensor.std().clamp(min=1e-3)


def noise(width=40, height=30):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
