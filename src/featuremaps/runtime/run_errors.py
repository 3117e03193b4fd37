"""What is said where a model does not run on its inputs: what is wrong with them or with it, and what to do."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsError, ModelError
from featuremaps.runtime.fitting_size import fitting_side
from featuremaps.runtime.input_advice import advice

MISFITS = {
    "to have 1 channels, but got 3": "it takes grey pictures, of one channel, and was given three. Of photographs "
    "fm.preprocess(…, grey=True), --grey, makes such",
    "to have 3 channels, but got 1 ": "it takes pictures in colours, of three channels, and was given grey ones. Leave "
    "out grey=True, --grey, or what makes them grey in the transform",
    "channels, but got": "its layers take another number of channels; the transform should give as many",
    "input to conv|expected input to be 2d or 3d|expected a 1d or 2d tensor": "it takes other axes: pictures are "
    "(channel, height, width), signals (channel, time), volumes (channel, depth, height, width); where its first layer "
    "does not tell, Scope(model, spatial=1, 2 or 3) does",
    "must be equal to input_size": "its layers take another number of channels",
    "must have the same dtype|type.*should be the same|expected scalar type|same dtype for": "it computes in several "
    "precisions, and autocast is off here, so that a model runs in its own. Give all its weights one, model.float(), "
    "and let its forward keep to it",
    "too many indices for tensor|are valid indices": "its forward takes its input apart in a way that a batch of "
    "pictures cannot be. Where it takes a dict or a list, wrap it in a module whose forward takes the pictures and "
    "makes that of them: of a list of dicts, as detectron2's models take, return self.model([{'image': picture} for "
    "picture in pictures]), and of what each gives a dict of its boxes, labels and scores",
}
DENSE = "mat1 and mat2 shapes cannot be multiplied"
WRONG_SIZE = {
    "kernel size can't be greater|too small|padding size should be less|smaller than kernel": "they are smaller than a "
    "kernel or pooling of it can take. Give larger pictures, or a transform that resizes them",
    "more than 1 value per channel|selected index k out of range": "too few places are left of them. Give larger "
    "pictures, or a transform that resizes them",
    r"size of tensor a \(\d+\) must match the size of tensor b": "values do not fit each other, as places and their "
    "embeddings. Give pictures of the size that it takes, or a transform that makes them so",
    r"(?:image size|height|width) \(.*\) doesn't match model": "it takes pictures of one size. Give a transform of "
    "that size, such as fm.preprocess(size=…), --size",
    r"shape\[\d\] to be equal to": "it was exported for inputs of another size or number. Export it with "
    "dynamic_shapes, give the module itself, or for one picture at a time batch_size=1",
    "is invalid for input of size": "it reshapes to a fixed number of values or of pictures. Give pictures of the size "
    "that it was trained on, as many as it takes, and batch_size= that number",
    DENSE: "a dense layer takes another number of values. Give pictures of the size and channels that it was trained "
    "on, or a transform that makes them so",
}
"""What torch says of an input, and what that means."""
KINDS = {3: "signals", 4: "pictures", 5: "volumes"}
"""What is run, by its axes with the batch."""
ONLY_GRADIENTS = {
    "flex_attention|FlexAttention": "runs flex_attention, which cannot be followed, and has no way back on a CPU. Give "
    "it scaled_dot_product_attention, which without a score_mod is the same",
    "must override the setup_context": "runs a part of itself through torch.vmap or torch.func, which lets no other "
    "way back through than the plain gradient. Take a method of that: grad_cam, integrated_gradients, input_x_gradient",
    "derivative for .* is not implemented|differentiate twice": "has an operation whose gradient has none of its own, "
    "which this method needs. Take a method of the plain gradient: grad_cam, hires_cam, integrated_gradients",
    "does not require grad and does not have a grad_fn": "takes gradients inside its own forward, which needs a graph "
    "of all of it. Take a method that runs the whole model with one, such as grad_cam",
}
"""What torch says of models that cannot be followed, or take gradients themselves, and what that means."""


@contextmanager
def run_on(model: nn.Module, inputs: Tensor) -> Iterator[None]:
    """Around a run of the model on these inputs: `ModelError` says what is wrong with them where that can be told."""
    try:
        yield
    except TypeError as error:
        _check_takes_pictures_only(model, error)
        raise
    except FeatureMapsError:
        raise
    except AssertionError as error:
        raise ModelError(
            f"{type(model).__name__} asserts what does not hold for an input of shape {tuple(inputs.shape)}: "
            f"{str(error) or 'it does not say what'}"
        ) from error
    except (RuntimeError, ValueError, IndexError) as error:
        if len(inputs) == 1 and out_of_memory(error):
            raise ModelError("memory ran out on a single picture; use smaller pictures or fewer layers.") from error
        if "cannot register a hook on a tensor that doesn't require gradient" in str(error):
            raise ModelError(
                f"a hook on {type(model).__name__} registers a backward hook on a layer's output, and this pass has no "
                "gradients: remove the hook (handle.remove()); featuremaps takes gradients itself."
            ) from error
        if limit := _meaning(error, ONLY_GRADIENTS):
            raise ModelError(f"{type(model).__name__} {limit}. (torch: {error})") from error
        meaning = misfit(error) or _meaning(error, WRONG_SIZE)
        if meaning is None:
            raise
        meaning = _with_advice(model, inputs, error, meaning)
        sizes = "×".join(map(str, inputs.shape[2:]))
        raise ModelError(
            f"{type(model).__name__} cannot run on {KINDS.get(inputs.ndim, 'inputs')} of {sizes}: {meaning}. "
            f"(The input was {tuple(inputs.shape)}; torch: {error})"
        ) from error


def _with_advice(model: nn.Module, inputs: Tensor, error: Exception, meaning: str) -> str:
    """What is wrong with an input, and what fits, where this one's axes or the model tell."""
    if inputs.ndim != 4:
        return advice(model, inputs, error, meaning)
    if inputs.shape[-1] in (1, 3, 4) and "channels" in meaning:
        return meaning + ". Here they stand last, it seems: tensor.permute(0, 3, 1, 2) puts them first"
    side = fitting_side(model, inputs) if DENSE in str(error) else None
    return (
        meaning
        if side is None
        else f"{meaning}: it runs on {side}×{side}, featuremaps.preprocess(size={side}), --size {side}"
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def misfit(error: RuntimeError | ValueError | IndexError) -> str | None:
    """What it means where a layer refused its input's channels or axes."""
    return _meaning(error, MISFITS)


def _meaning(error: RuntimeError | ValueError | IndexError, known: Mapping[str, str]) -> str | None:
    return next((meaning for words, meaning in known.items() if re.search(words, str(error), re.IGNORECASE)), None)


def _check_takes_pictures_only(model: nn.Module, error: TypeError) -> None:
    """`ModelError` where the model's forward needs more than one argument, or takes it by its name only."""
    parameters = inspect.signature(model.forward).parameters
    needed = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if parameters and all(one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in parameters.values()):
        raise ModelError(
            f"{type(model).__name__}.forward takes its inputs by name only ({', '.join(parameters)}), and featuremaps "
            "gives a model the batch of pictures as its first argument. Wrap it in a module whose forward does that."
        ) from error
    if len(needed) > 1:
        raise ModelError(
            f"{type(model).__name__}.forward takes {len(needed)} inputs ({', '.join(needed)}), and "
            "featuremaps gives a model one: the batch of pictures. Wrap it in a module whose forward takes the "
            "pictures and supplies the others."
        ) from error
