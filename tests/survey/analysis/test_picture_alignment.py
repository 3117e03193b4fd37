"""Surveys are about the same pictures, in whatever order, or it is said what differs."""

import numpy as np
import pytest
from tiny_surveys import made_up

from featuremaps.errors import SurveyError
from featuremaps.survey.analysis.picture_alignment import orders
from featuremaps.survey.survey import Survey


def survey(
    names: str, labels: list[int] | None = None, classes: tuple[str, ...] = ("cat", "dog"), **options: object
) -> Survey:
    return made_up(np.ones((len(names), 2)), labels or [0] * len(names), classes, names=names, **options)


def test_rows_are_put_into_the_order_of_the_first() -> None:
    found = orders({"a": survey("wxyz"), "b": survey("zyxw"), "c": survey("xwyz")})
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "a": [0, 1, 2, 3],
        "b": [3, 2, 1, 0],
        "c": [1, 0, 2, 3],
    }


def test_different_pictures_are_refused_with_what_differs() -> None:
    message = r"'a' and 'b' are surveys of different pictures: 2 in both, 4 only in 'a' \(s, t, u, …\) and 1 only in 'b' \(z\)"
    with pytest.raises(SurveyError, match=message):
        orders({"a": survey("stuvwx"), "b": survey("zxw")})


def test_names_that_repeat_are_told_apart_by_path() -> None:
    with pytest.raises(SurveyError, match="several have the same name"):
        orders({"a": survey("xx"), "b": survey("xx")})
    first, second = survey("xx", paths=("cat/x", "dog/x")), survey("xx", paths=("dog/x", "cat/x"))
    assert orders({"a": first, "b": second})["b"].tolist() == [1, 0]


def test_labels_agree_by_name() -> None:
    first, turned = survey("xy", [0, 1]), survey("xy", [1, 0], ("dog", "cat"))
    assert orders({"a": first, "b": turned})["b"].tolist() == [0, 1]
    with pytest.raises(SurveyError, match="x is labelled 'cat' in 'a' and 'dog' in 'b'"):
        orders({"a": first, "b": survey("xy", [1, 0])})
