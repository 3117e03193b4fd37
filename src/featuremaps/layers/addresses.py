"""How a layer or a unit is written down: `"layer4.0.relu#1:452"`, and globs over such names."""

import re
from contextlib import suppress
from dataclasses import dataclass

from torch import nn

from featuremaps.errors import LayerNotFoundError, did_you_mean


@dataclass(frozen=True)
class Address:
    """A layer, one call of a layer that runs several times (0 is the first), or one channel of it (a unit)."""

    layer: str
    call: int | None = None
    channel: int | None = None

    @property
    def name(self) -> str:
        """The layer's name without the channel: `"layer4.0.relu#1"`."""
        return self.layer if self.call is None else f"{self.layer}#{self.call}"

    def __str__(self) -> str:
        return self.name if self.channel is None else f"{self.name}:{self.channel}"


def parse(text: str) -> Address:
    """The address written as `layer`, `layer#call`, `layer:channel` or `layer#call:channel`.

    Raises `LayerNotFoundError` where a call or channel is not a number counted from 0, or the layer is missing.
    """
    rest, colon, channel = text.rpartition(":")
    if not colon:
        rest, channel = text, ""
    layer, hash_sign, call = rest.rpartition("#")
    if not hash_sign:
        layer, call = rest, ""
    if not layer.strip():
        raise _malformed(text, "the layer's name is missing")
    if colon and not re.fullmatch("[0-9]+", channel):
        raise _malformed(text, f"{channel!r} after the colon is not a channel number (0, 1, 2, …)")
    if hash_sign and not re.fullmatch("[0-9]+", call):
        raise _malformed(text, f"{call!r} after the # is not the number of a call (0 is the first)")
    return Address(layer, int(call) if hash_sign else None, int(channel) if colon else None)


def _malformed(text: str, reason: str) -> LayerNotFoundError:
    return LayerNotFoundError(
        f"layer address {text!r} cannot be read: {reason}. Write a layer as 'layer4', channel 452 of it as "
        "'layer4:452', the second call of a module that runs several times as 'layer4.0.relu#1'. "
        "scope.layers() lists all layers."
    )


def is_glob(text: str) -> bool:
    """Whether the text has wildcards."""
    return any(sign in text for sign in "*?[")


def glob(pattern: str) -> re.Pattern[str]:
    """A glob over dotted names: `*` and `?` stay within one part, `**` crosses dots, `[12]` is one of these."""
    parts = re.split(r"(\*\*\.|\*\*|\*|\?|\[[^\]]+\])", pattern)
    signs = {"**.": r"(?:.*\.)?", "**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return re.compile("".join(_class(part) or signs.get(part) or re.escape(part) for part in parts))


def _class(part: str) -> str:
    """A bracket expression as a regular expression, or an empty string where `part` is none."""
    if not (part.startswith("[") and part.endswith("]") and len(part) > 2):
        return ""
    inner = part[1:-1]
    negated = inner.startswith("!") and len(inner) > 1
    letters = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner[1:] if negated else inner)
    return f"[{'^' if negated else ''}{letters}]"


def is_layer(model: nn.Module, layer: str) -> bool:
    """Whether this is the exact name of a module; a walk down the name, not through the model."""
    with suppress(AttributeError):
        return bool(layer) and isinstance(model.get_submodule(layer), nn.Module)
    return False


def find(model: nn.Module, layer: str) -> nn.Module:
    """The module of this exact name; `LayerNotFoundError` with the nearest names."""
    if is_layer(model, layer):
        return model.get_submodule(layer)
    names = [name for name, _ in model.named_modules() if name]
    raise LayerNotFoundError(
        f"the model has no layer {layer!r}.{did_you_mean(layer, names)} scope.layers() lists all layers."
    )
