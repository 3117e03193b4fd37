"""Batches on their way to the device that the model is on, each while the one before it is computed."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from featuremaps.runtime.run_errors import out_of_memory


def sent_ahead(
    batches: Iterable[tuple[list[int], list[Tensor]]], device: torch.device
) -> Iterator[tuple[list[int], Tensor]]:
    """Each batch as one tensor; on a GPU already there, copied on a stream of its own.

    A batch for which the GPU has no memory left stays where it is.
    """
    if device.type != "cuda":
        yield from ((rows, torch.stack(inputs)) for rows, inputs in batches)
        return
    copying = torch.cuda.Stream(device)
    before: tuple[list[int], Tensor, torch.cuda.Event] | None = None
    for rows, inputs in batches:
        with torch.cuda.stream(copying):
            tensor = _copied(torch.stack(inputs), device)
            arrived = copying.record_event()
        if before is not None:
            yield _arrived(*before)
        before = rows, tensor, arrived
    if before is not None:
        yield _arrived(*before)


def _copied(inputs: Tensor, device: torch.device) -> Tensor:
    try:
        return inputs.pin_memory().to(device, non_blocking=True)  # only from pinned memory does it go on meanwhile
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return inputs


def _arrived(rows: list[int], inputs: Tensor, arrived: torch.cuda.Event) -> tuple[list[int], Tensor]:
    if inputs.is_cuda:
        computing = torch.cuda.current_stream(inputs.device)
        computing.wait_event(arrived)
        inputs.record_stream(computing)  # its memory is free for the next copy only when this stream is done with it
    return rows, inputs
