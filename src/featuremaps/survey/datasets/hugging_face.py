"""A Hugging Face `datasets.Dataset`: which columns hold the pictures and labels, and the labels' names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from featuremaps.errors import SurveyError
from featuremaps.survey.datasets.examples import numbered
from featuremaps.survey.datasets.items import Items, items
from featuremaps.survey.datasets.tables import LABELS, column, needed_column

TEXTS = ("string", "large_string", "string_view")
IMAGES = ("image", "img", "picture", "pixel_values", "jpg", "png")


def is_hugging_face(dataset: object) -> bool:
    """Whether this is an object of the `datasets` library, which is not imported to find out."""
    library = type(dataset).__module__.partition(".")[0] == "datasets"
    return library and (isinstance(dataset, dict) or hasattr(dataset, "features"))


def hugging_face(dataset: Any, image: str | None, label: str | None, classes: Sequence[str] | None) -> Items:
    """The dataset's image column and its label column, names from its `ClassLabel`."""
    if isinstance(dataset, dict):
        raise SurveyError(
            f"this is {len(dataset)} datasets ({', '.join(dataset)}); choose one: dataset[{next(iter(dataset))!r}]."
        )
    features = dataset.features
    if not hasattr(dataset, "__getitem__"):
        raise SurveyError("a streaming dataset cannot be asked by number; load it without streaming=True.")
    where, kinds = "the dataset", {name: type(feature).__name__ for name, feature in features.items()}
    pictures = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    image = needed_column(image, (*pictures, *IMAGES), list(features), "image", where)
    label = column(label, (*labels, *LABELS, "labels"), list(features), "label", where)
    names = classes if classes is not None else getattr(features[label], "names", None) if label else None
    if label and names is None and getattr(features[label], "dtype", "") in TEXTS:
        names = numbered(dataset[label], None)[1]
    return replace(items(dataset, names), image=image, label=label)
