"""What a model takes, as far as its first layer says: pictures in colours, in grey or of bands, signals, or volumes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from featuremaps.models.keras_model import KerasModel
from featuremaps.pictures.preprocess import Mode, preprocess
from featuremaps.pictures.preprocessing import InputForm
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.run_errors import misfit
from featuremaps.session import preserved, unwrapped, warnings_ignored

Spatial = Literal[1, 2, 3]
COLOURS = (7, 3, 64, 64)
"""The pictures of the trial; seven, as a 3-D convolution takes a batch for channels."""


def form_of(model: nn.Module) -> InputForm:
    """The form of one input, by the first convolution, or the first dense layer of a model without any.

    Where that convolution is not one of pictures in colours, the model is run once on such pictures: one that changes
    its input first, by taking the mean of the colours for example, takes them all the same.
    """
    if isinstance(model, KerasModel):
        return model.form
    first = _first_convolution(model)
    if first is None:
        dense = next((part for part in model.modules() if isinstance(part, nn.Linear)), None)
        return InputForm(values=None if dense is None else dense.in_features)
    channels, flat = first.in_channels, isinstance(first, nn.Conv2d)
    unusual = channels not in (0, 3) or (channels and not flat)
    pictures = any(isinstance(part, nn.Conv2d) for part in model.modules())
    if not unusual or not _refuses_colours(model, pictures):
        return InputForm()
    return InputForm(
        axes=len(first.kernel_size) + 1, grey=flat and channels == 1, bands=channels if flat and channels > 1 else None
    )


def form_with(model: nn.Module, spatial: Spatial) -> InputForm:
    """The form of one input with so many axes beside the channels, whatever the first layer says."""
    form = form_of(model)
    return form if form.axes == spatial + 1 else InputForm(axes=spatial + 1)


def channels_of(model: nn.Module, form: InputForm) -> int:
    """How many channels an input of this form has.

    Of a model without a convolution as a module, a weight of as many axes says so; 3 where there is none.
    """
    first = _first_convolution(model)
    if first is None:
        weights = [parameter for parameter in model.parameters() if parameter.ndim == form.axes + 1]
        return weights[0].shape[1] if weights else 3
    return (1 if form.grey else form.bands or 3) if form.axes == 3 else first.in_channels


def _first_convolution(model: nn.Module) -> _ConvNd | None:
    return next((part for part in model.modules() if isinstance(part, _ConvNd)), None)


def _refuses_colours(model: nn.Module, pictures: bool) -> bool:
    """Whether a model's layers say that pictures in colours have too many channels or axes.

    Of a model that has no layers of `pictures` any error says so: it may take the axes of its input apart itself.
    """
    with preserved(model), torch.no_grad(), warnings_ignored(), suppress(Exception):
        try:
            run_model(model, to_model(model, torch.zeros(COLOURS, device="cpu", dtype=torch.float32)))
        except Exception as error:
            return not pictures or (isinstance(error, RuntimeError) and misfit(error) is not None)
    return False


def recorded_transform(model: nn.Module) -> Callable[..., Any] | None:
    """The preprocessing that a model says it was trained with (timm's `pretrained_cfg`, layers of Keras), if any.

    A model that resizes and normalises pictures itself, as torchvision's detectors do, takes them from 0 to 1.
    """
    if isinstance(model, KerasModel):
        return model.transform
    inside = getattr(unwrapped(model), "transform", None)
    if isinstance(inside, nn.Module) and hasattr(inside, "image_mean") and hasattr(inside, "image_std"):
        return preprocess()
    record = getattr(unwrapped(model), "pretrained_cfg", None)
    if not isinstance(record, Mapping) or not {"input_size", "mean", "std"} <= set(record):
        return None
    colours, *size = record["input_size"]
    size = list(getattr(getattr(model, "patch_embed", None), "img_size", None) or size)  # built for another size
    if colours != 3:
        return None
    centred = record.get("crop_mode", "center") == "center" and len(set(size)) == 1
    mode = record.get("interpolation")
    return preprocess(
        size=int(size[0] / (record.get("crop_pct") or 1)) if centred else size,
        crop=size if centred else None,
        mean=record["mean"],
        std=record["std"],
        mode=mode if mode in get_args(Mode) else "bilinear",
    )
