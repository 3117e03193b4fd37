"""Running many pictures in batches: those of one size together, and fewer at a time where memory is short."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from featuremaps.errors import ModelError, OptionError
from featuremaps.progress import track


def in_chunks(
    inputs: Sequence[Tensor], most: int, run: Callable[[Tensor, list[int]], Any], doing: str = "explaining pictures"
) -> Iterator[tuple[list[int], Any]]:
    """Run pictures of equal shape together, at most `most` at a time; halve that whenever memory runs out.

    Yields the indices of each chunk with what `run(batch, indices)` returned for it.
    """
    if most < 1:
        raise OptionError(f"batch_size is how many pictures run together, 1 or more; got {most}.")
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, tensor in enumerate(inputs):
        groups.setdefault(tuple(tensor.shape), []).append(i)
    work = [group[start : start + most] for group in groups.values() for start in range(0, len(group), most)]
    for chunk in track(work, doing):
        pending = [chunk]
        while pending:
            indices = pending.pop(0)
            try:
                result = run(torch.stack([inputs[i] for i in indices]), indices)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if len(indices) == 1:
                    raise ModelError(
                        "memory ran out on a single picture; use smaller pictures or fewer layers."
                    ) from error
                half = len(indices) // 2
                pending[:0] = [indices[:half], indices[half:]]
                continue
            yield indices, result


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on any device."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
