"""What a record supplies to the methods that hide parts of pictures, as plain functions."""

import torch
from torch import Tensor, nn

from featuremaps.methods.chunking import Score


def score_of(model: nn.Module, targets: list[int], probability: bool = False) -> Score:
    """From new inputs, picture by picture, to target scores."""

    def score(new: Tensor) -> Tensor:
        with torch.no_grad():
            scores = model(new)
        if probability:
            scores = scores.softmax(1)
        return scores.gather(1, torch.tensor(targets).repeat_interleave(len(new) // len(targets))[:, None])[:, 0]

    return score


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
