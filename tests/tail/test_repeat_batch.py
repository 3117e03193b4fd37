"""How values from before a layer are made to serve several edits of each picture."""

from collections import namedtuple

import pytest
import torch

from featuremaps.errors import ModelError
from featuremaps.tail.repeat_batch import Probe, growth, repeat

PROBE = Probe(batch=2, other=3)
Pair = namedtuple("Pair", "first second")


def test_a_tensor_is_repeated_picture_by_picture() -> None:
    value, again = torch.arange(2)[:, None], torch.zeros(3, 1)
    grow = growth(value, again, PROBE)
    assert grow(3).flatten().tolist() == [0, 0, 0, 1, 1, 1]
    assert grow(1) is value


def test_rows_of_one_picture_stay_together() -> None:
    windows = torch.tensor([10, 11, 20, 21])
    assert growth(windows, torch.zeros(6), PROBE)(2).tolist() == [10, 11, 10, 11, 20, 21, 20, 21]


def test_the_batch_may_be_in_any_axis() -> None:
    value = torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert growth(value, torch.zeros(3, 3), PROBE)(2).tolist() == [[1, 1, 2, 2], [3, 3, 4, 4], [5, 5, 6, 6]]


def test_one_picture_is_repeated_without_a_copy() -> None:
    value = torch.randn(1, 4, 4)
    grown = growth(value, torch.zeros(2, 4, 4), Probe(1, 2))(5)
    assert grown.shape == (5, 4, 4)
    assert grown.data_ptr() == value.data_ptr()


def test_a_tensor_of_the_same_shape_is_left_alone_even_where_its_size_looks_like_a_batch() -> None:
    mask = torch.randn(4, 3)
    assert growth(mask, torch.zeros(4, 3), PROBE)(5) is mask


def test_sizes_and_containers() -> None:
    value = (2, 7, [8, None], {"rows": 4}, torch.Size([2, 3]), Pair(6, 1))
    again = (3, 7, [12, None], {"rows": 6}, torch.Size([3, 3]), Pair(9, 1))
    grown = growth(value, again, PROBE)(5)
    assert grown == (10, 7, [40, None], {"rows": 20}, torch.Size([10, 3]), Pair(30, 1))
    assert [type(item) for item in grown] == [type(item) for item in value]


def test_a_size_with_an_offset() -> None:
    assert growth(2 * 4 + 1, 3 * 4 + 1, PROBE)(5) == 10 * 4 + 1


@pytest.mark.parametrize(
    ("value", "again", "message"),
    [
        (torch.zeros(2, 2), torch.zeros(3, 3), "carries the batch in no single axis"),
        (torch.zeros(2, 2), torch.zeros(3), "carries the batch in no single axis"),
        (torch.zeros(5), torch.zeros(7), "does not grow in proportion to the batch: shape \\(5,\\) for 2 pictures"),
        (torch.zeros(2), torch.zeros(9), "does not grow in proportion"),
        (torch.zeros(2), 3, "is a Tensor or a int, depending on the batch"),
        (0.5, 0.7, "a float depends on the pictures: 0.5 for some, 0.7 for others"),
        ("a", "b", "a str depends on the pictures"),
        (True, False, "a bool depends on the pictures"),
    ],
)
def test_values_that_depend_on_the_batch_in_another_way(value: object, again: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        growth(value, again, PROBE)


def test_a_size_that_does_not_grow_evenly() -> None:
    with pytest.raises(ModelError, match="a size does not grow with the batch: 4 for 2, 7 for 4"):
        growth(4, 7, Probe(2, 4))


def test_repeat_is_repeat_interleave_for_one_row_per_picture() -> None:
    value = torch.randn(3, 2, 4)
    assert torch.equal(repeat(value, 4, 3), value.repeat_interleave(4, 0))
