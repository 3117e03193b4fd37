"""The numbers by which channels of a layer are named, checked."""

from collections.abc import Iterable
from operator import index

from featuremaps.errors import OptionError, SurveyError


def checked_channels(channels: Iterable[int], layer: str) -> list[int]:
    """The channel numbers as a list; `OptionError` for no numbers, `SurveyError` for none, doubled or negative ones."""
    try:
        chosen = [index(channel) for channel in channels]
    except TypeError as error:
        raise OptionError(f"channels={channels!r}: give the numbers of channels of {layer!r}, [3, 17] say.") from error
    if not chosen:
        raise SurveyError(
            f"no channel of {layer!r} was given; name at least one, or leave channels out to have the best separating "
            "ones chosen."
        )
    doubled = sorted({channel for channel in chosen if chosen.count(channel) > 1})
    if doubled:
        raise SurveyError(f"channel {doubled[0]} of {layer!r} is given more than once; name each channel once.")
    if min(chosen) < 0:
        raise SurveyError(f"channel {min(chosen)} of {layer!r}: channels are counted from 0.")
    return chosen


def check_channels(channels: Iterable[int], count: int, layer: str) -> None:
    """`SurveyError` for a channel past the layer's last."""
    past = [channel for channel in channels if channel >= count]
    if past:
        raise SurveyError(
            f"layer {layer!r} has {count} channels, 0 to {count - 1}, and channel {past[0]} was asked for."
        )
