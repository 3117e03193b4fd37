"""Telling models apart by their weights, so that what was measured on one is not used on another."""

import hashlib
import re

import torch
from torch import nn

from featuremaps.errors import SurveyError
from featuremaps.session import unwrapped


def fingerprint(model: nn.Module) -> str:
    """SHA-256 of what the model prints, and of every parameter and buffer to the last bit."""
    model = unwrapped(model)
    found = hashlib.sha256(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(model)).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        found.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return found.hexdigest()


def described(model: nn.Module) -> str:
    """A model in a few words: its class and how many parameters it has."""
    model = unwrapped(model)
    return f"{type(model).__name__} with {sum(p.numel() for p in model.parameters()):,} parameters"


def check_same_model(model: nn.Module, was: str, weights: str) -> None:
    """`SurveyError` where the weights are not those remembered; nothing is checked where none are."""
    found = fingerprint(model) if weights else ""
    if found == weights:
        return
    now = described(model)
    advice = (
        "It has been trained on, converted to another precision, or is another checkpoint. "
        if now == was
        else "It is another model. "
    )
    raise SurveyError(
        f"this detector was made for {was or 'a model'} (weights {weights[:12]}…), and was given {now} "
        f"(weights {found[:12]}…). {advice}Its threshold means nothing there: give the model it was made for, or "
        "survey this one and fit a detector to it."
    )
