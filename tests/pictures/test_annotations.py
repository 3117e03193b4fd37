"""Annotations of boxes in place of labels."""

from typing import Any

import pytest
import torch
from PIL import Image

from featuremaps.pictures.annotations import annotated
from featuremaps.survey.datasets import examples_of

BOX = [1.0, 2, 3, 4]


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ({"boxes": torch.zeros(3, 4), "labels": torch.tensor([2, 1, 2])}, [2, 1]),
        ([{"bbox": BOX, "category_id": 7}, {"bbox": BOX, "category_id": 3, "iscrowd": 0}], [7, 3]),
        ({"bbox": [BOX], "category": ["cat"]}, ["cat"]),
        ({"boxes": torch.zeros(0, 4)}, []),
        ([], []),
        ([{"segmentation": [[1.0, 2]]}], []),
        (3, None),
        ("cat", None),
        ({"label": 3}, None),
        ([1, 2], None),
        (torch.tensor([1, 0]), None),
    ],
)
def test_the_classes_of_what_is_annotated(label: Any, classes: list[Any] | None) -> None:
    assert annotated(label) == classes


def test_annotations_are_no_label_and_with_several_labels_name_them() -> None:
    image = Image.new("RGB", (8, 8))
    each = [[{"bbox": BOX, "category_id": 2}, {"bbox": BOX, "category_id": 0}], [], [{"bbox": BOX, "category_id": 1}]]
    dataset = [(image, label) for label in each]
    alone = examples_of(dataset)
    assert [alone.read(number).label for number in range(3)] == [None] * 3
    several = examples_of(dataset, classes=["cat", "dog", "cup"], several=True)
    assert [sorted(several.read(number).labels or ()) for number in range(3)] == [[0, 2], [], [1]]
    dicts = examples_of([{"image": image, "target": {"boxes": torch.zeros(2, 4), "labels": torch.tensor([1, 1])}}])
    assert dicts.read(0).label is None
