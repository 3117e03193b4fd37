"""A label is understood in whatever form it comes, or refused in a sentence that says what it is."""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pytest
import torch

from featuremaps.errors import ImageError
from featuremaps.pictures.labels import is_labelled, label_of, parts_of


@pytest.mark.parametrize(
    "three",
    [
        3,
        3.0,
        np.int64(3),
        np.float32(3),
        np.array(3),
        np.array([3]),
        np.array([[3.0]]),
        torch.tensor(3),
        torch.tensor([3.0]),
        [3],
        (torch.tensor([[3]]),),
        *(
            {name: 3}
            for name in ("label", "labels", "target", "targets", "class", "cls", "y", "fine_label", "category")
        ),
        {"image_id": 8, "labels": torch.tensor([3])},
    ],
)
def test_one_whole_number_in_any_form_is_that_number(three) -> None:
    label = label_of(three)
    assert (label, type(label)) == (3, int)


def test_names_and_no_label() -> None:
    for name in ("cat", "007", "3", np.str_("cat"), ["cat"], {"label": "cat"}):
        assert label_of(name) == (name if isinstance(name, str) else "cat")
    for nothing in (None, math.nan, np.float64("nan"), torch.tensor(math.nan), {"label": None}):
        assert label_of(nothing) is None
    assert label_of(np.bool_(True)) == 1
    assert label_of(10**400) == 10**400


def test_what_a_table_holds_where_nothing_stands_is_no_label() -> None:
    pandas = pytest.importorskip("pandas")
    for nothing in (pandas.NA, pandas.NaT, np.datetime64("NaT"), "", "  "):
        assert label_of(nothing) is None


def test_an_enum_of_texts_is_its_text() -> None:
    class Kind(str, Enum):  # noqa: UP042 - as people write it
        CAT = "cat"

    assert label_of(Kind.CAT) == "cat"
    assert type(label_of(Kind.CAT)) is str


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            torch.eye(4)[2],
            r"one-hot \(4 numbers, the 1 at 2\), and a label is the number of a class: give label.argmax",
        ),
        (np.eye(4)[[2]], r"one-hot \(4 numbers, the 1 at 2\)"),
        ((0, 1), r"one-hot \(2 numbers, the 1 at 1\)"),
        ([1, 0, 1], r"multi-hot \(3 numbers, 2 of them 1\).*multi_label=True"),
        (torch.zeros(3), r"multi-hot \(3 numbers, 0 of them 1\)"),
        ({"labels": torch.tensor([1, 5])}, "is 2 numbers, and a picture has one"),
        ([], "is 0 numbers"),
        (["cat", "dog"], "is a list of 2, and a picture has one"),
        (
            torch.rand(3, 8, 8),
            r"Tensor values of shape \(3, 8, 8\)\. Items whose second part is no label .*give the pict",
        ),
        (0.5, "0.5 is a float; a label is a whole number, a class's name, or None"),
        (math.inf, "inf is a float"),
        ({"boxes": [], "masks": []}, "is a dict with boxes, masks, none of them called label, target or class"),
        (b"cat", "b'cat' is a bytes"),
        (object(), "^its label is a object; a label is"),  # without its address, which differs from run to run
    ],
)
def test_what_is_no_label_is_said(value, message) -> None:
    with pytest.raises(ImageError, match=message):
        label_of(value)


def test_a_dataclass_is_read_as_a_dict_and_several_pictures_by_name_are_refused() -> None:
    @dataclass
    class Sample:
        image: str
        label: int

    assert parts_of(Sample("cat.png", 3)) == ("cat.png", 3)
    with pytest.raises(ImageError, match=r"'left', 'right'; .*given as a list: list\(pictures\.values\(\)\)"):
        parts_of({"left": 1, "right": 2})


def test_the_parts_of_an_item() -> None:
    for key in ("image", "img", "pixel_values", "picture", "jpg", "png"):
        assert parts_of({"id": 7, key: "P", "target": 1, "fine_label": 2}) == ("P", 1)
    assert parts_of(("P", 1, 9)) == ("P", 1)
    assert parts_of({"image": "P"}) == parts_of(("P",)) == parts_of("P") == ("P", None)
    with pytest.raises(ImageError, match="a dict with 'scan', 'label'; the picture should be 'image'"):
        parts_of({"scan": 0, "label": 1})
    assert is_labelled((0, np.array([4])))
    assert is_labelled((torch.rand(3, 4, 4), "cat"))
    assert not is_labelled((torch.rand(3, 4, 4), "cat.png"))
    assert not is_labelled(("cat", "dog"))
    assert not is_labelled((torch.rand(3, 4, 4), torch.rand(3, 4, 4)))
