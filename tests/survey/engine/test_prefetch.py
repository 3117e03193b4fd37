"""Batches arrive whole and in order, on a GPU too, where the next is copied while one is computed."""

import pytest
import torch

from featuremaps.survey.engine.prefetch import sent_ahead

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_batches_arrive_whole_and_in_order(device: str) -> None:
    taken = []

    def batches():
        for number in range(6):
            taken.append(number)
            yield [number], [torch.full((3, 64, 64), float(number + row)) for row in range(4)]

    for number, (rows, inputs) in enumerate(sent_ahead(batches(), torch.device(device))):
        assert rows == [number]
        assert inputs.device.type == device
        busy = inputs.double().matmul(inputs.double().transpose(2, 3))  # what is still computed is not overwritten
        assert torch.equal(
            busy.amax((1, 2, 3)).cpu(), torch.tensor([64.0 * (number + row) ** 2 for row in range(4)]).double()
        )
        assert taken[-1] == min(5, number + (device != "cpu"))
