"""What to do with signals and volumes that a model does not run on: channels in another place, or another length."""

import re

from torch import Tensor, nn

from featuremaps.runtime.fitting_size import fitting_length

NAMES = {3: "(batch, channel, time)", 5: "(batch, channel, depth, height, width)"}
_COUNTS = re.compile(r"to have (\d+) channels, but got (\d+)")


def advice(model: nn.Module, inputs: Tensor, error: Exception, meaning: str) -> str:
    """What is wrong with an input that is no picture, and what to do, by what torch said of it.

    Args:
        model: The model that did not run.
        inputs: What it was given, (batch, channel, *space).
        error: What it raised.
        meaning: What that means for pictures.
    """
    names, counts = NAMES.get(inputs.ndim, "(batch, channel, …)"), _COUNTS.search(str(error))
    if counts:
        return _of_channels(int(counts[1]), inputs, names)
    if "multiplied" in str(error) and inputs.ndim == 3:
        length = fitting_length(model, inputs, str(error))
        fits = "" if length is None else f": it runs on a length of {length}"
        return f"a dense layer takes another number of values. Give them as long as those it was trained on{fits}"
    if "input to conv" in str(error):
        return (
            f"its forward adds or takes away an axis, and it is given {names}. Where it was trained without channels, "
            "wrap it in a module whose forward gives it x[:, 0]"
        )
    if "channel" in meaning:
        return (
            f"its layers take another number of channels than stand second, {names}. batch.movedim(-1, 1) puts "
            "channels first that stand last, batch[:, None] makes one channel"
        )
    return meaning


def _of_channels(wanted: int, inputs: Tensor, names: str) -> str:
    """What to do where a convolution takes so many channels and has another number."""
    given, last = inputs.shape[1], inputs.shape[-1]
    what = f"its layers take another number of channels, {wanted}, and {given} stand second, {names}"
    if given == wanted:
        return (
            f"a layer takes {wanted} channels, and its forward gives it another axis. Where it was trained on batches "
            "whose channels stand last, or second to time, wrap it in a module whose forward turns x as it needs it, "
            "such as x.transpose(1, 2)"
        )
    if last == wanted:
        return f"{what}. Here they stand last, it seems: batch.movedim(-1, 1) puts them first"
    if inputs.ndim == 5 and inputs.shape[2] == wanted:
        return (
            f"{what}. Here they stand third, as in frames of a video, it seems: batch.transpose(1, 2) puts them second"
        )
    if given == 1:
        return (
            f"{what}. One that is to stand for all: batch.expand(-1, {wanted}, {', '.join(['-1'] * (inputs.ndim - 2))})"
        )
    if wanted == 1:
        return (
            f"{what}. Where those are several of them, batch[:, None] makes one channel; of several channels take one, "
            "batch[:, :1], or their mean, batch.mean(1, keepdim=True)"
        )
    return f"{what}. batch.movedim(-1, 1) puts channels first that stand last, batch[:, None] makes one channel"
