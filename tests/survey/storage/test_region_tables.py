"""Regions that a survey counts: what their classes are called."""

from dataclasses import replace

import pytest
from tiny_surveys import made_up

from featuremaps.survey.storage.region_tables import region_classes


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        (("cat", "dog"), (0, 1, -1), ("cat", "dog", "elsewhere")),
        (("cat", "cat"), (0, 1), ("cat (0)", "cat (1)")),
        (("elsewhere", "cat"), (0, 1, -1), ("elsewhere (0)", "cat", "elsewhere")),
        (("elsewhere", "cat"), (0,), ("elsewhere (0)",)),
        (("cat (1)", "cat", "cat"), (0, 1, 2, -1), ("cat (1) (0)", "cat (1) (1)", "cat (2)", "elsewhere")),
    ],
)
def test_each_class_has_a_name_of_its_own(
    names: tuple[str, ...], labels: tuple[int, ...], expected: tuple[str, ...]
) -> None:
    manifest = replace(made_up([[0.0], [1.0]], [0, 1], ("a", "b")).manifest, model_classes=names, region_labels=labels)
    assert region_classes(manifest) == expected
