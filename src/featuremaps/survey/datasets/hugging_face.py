"""A Hugging Face `datasets.Dataset`: which columns hold the pictures and labels, and the labels' names."""

import warnings
from collections.abc import Sequence
from typing import Any

from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.pictures.labels import LABEL_KEYS, PICTURE_KEYS
from featuremaps.survey.datasets.columns import column, keys_of, needed_column
from featuremaps.survey.datasets.examples import numbered
from featuremaps.survey.datasets.items import Items, items

TEXTS = ("string", "large_string", "string_view")


def is_hugging_face(dataset: object) -> bool:
    """Whether this is an object of the `datasets` library, which is not imported to find out."""
    library = type(dataset).__module__.partition(".")[0] == "datasets"
    return library and (isinstance(dataset, dict) or hasattr(dataset, "features"))


def hugging_face(
    dataset: Any, image: str | None, label: str | None, classes: Sequence[str] | None, several: bool = False
) -> Items:
    """The dataset's image column and its label column, names from its `ClassLabel`.

    A `with_transform` may give other columns than the dataset has: those of its first item count then.
    """
    if isinstance(dataset, dict):
        raise SurveyError(
            f"this is {len(dataset)} datasets ({', '.join(dataset)}); choose one: dataset[{next(iter(dataset))!r}]."
        )
    features = dataset.features
    if not hasattr(dataset, "__getitem__"):
        raise SurveyError("a streaming dataset cannot be asked by number; load it without streaming=True.")
    given, where = keys_of(dataset) or list(features), "the dataset"
    kinds = {name: type(features[name]).__name__ for name in given if name in features}
    pictures = [name for name, kind in kinds.items() if kind == "Image"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    labels.sort(key=lambda name: name not in LABEL_KEYS)
    image = needed_column(image, (*pictures, *PICTURE_KEYS), given, "image", where)
    if label is None and len(labels) > 1:
        warnings.warn(
            f"{where} has {len(labels)} columns of classes ({', '.join(labels)}), and {labels[0]!r} is taken for the "
            "labels. Choose one: label='…'.",
            FeatureMapsWarning,
            stacklevel=2,
        )
    label = column(label, (*labels, *LABEL_KEYS), given, "label", where)
    feature = features.get(label)
    inner = getattr(feature, "feature", None) if several else None  # of a list of labels
    names = classes if classes is not None else getattr(inner or feature, "names", None)
    if names is None and not several and getattr(feature, "dtype", "") in TEXTS:
        names = numbered(dataset.with_format(None)[label], None)[1]
    return items(dataset, names, image, label, several)
