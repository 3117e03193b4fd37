"""A file of annotations as COCO has them: which pictures it is about, and the things in each.

The format: https://cocodataset.org/#format-data, "object detection"; a box is left, top, width and height.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featuremaps.errors import ImageError

PARTS = ("images", "annotations", "categories")
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Annotated:
    """A picture's file, and for each thing in it the class's name and the box (left, top, right, bottom) in pixels."""

    path: Path
    labels: tuple[str, ...] = ()
    boxes: tuple[Corners, ...] = ()


def is_coco(path: Path) -> bool:
    """Whether a file may be one of annotations, by its ending."""
    return path.suffix.lower() == ".json" and path.is_file()


def annotated_pictures(path: Path) -> tuple[tuple[Annotated, ...], tuple[str, ...]]:
    """The pictures of a file of annotations, in its order, and the names of all classes, by their numbers.

    Raises `ImageError` for another kind of file, and where the pictures are not beside it.
    """
    content = _content(path)
    names = {one["id"]: str(one["name"]) for one in sorted(content["categories"], key=lambda one: one["id"])}
    things: dict[Any, list[Mapping[str, Any]]] = {}
    for thing in content["annotations"]:
        things.setdefault(thing["image_id"], []).append(thing)
    folder = _folder(path, [str(image["file_name"]) for image in content["images"]])
    pictures = []
    for image in content["images"]:
        own = things.get(image["id"], [])
        labels = tuple(names[thing["category_id"]] for thing in own)
        boxes = tuple(corners_of(thing["bbox"]) for thing in own if "bbox" in thing)
        pictures.append(Annotated(folder / image["file_name"], labels, boxes))
    return tuple(pictures), tuple(names.values())


def corners_of(box: Sequence[int | float]) -> Corners:
    """From left, top, width and height to left, top, right and bottom."""
    left, top, width, height = (float(number) for number in box)
    return left, top, left + width, top + height


def _content(path: Path) -> Mapping[str, list[Mapping[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: the file cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        raise ImageError(
            f"{path}: the file is JSON, and no annotations as COCO has them: these have lists of images, annotations "
            "and categories. Pass the pictures themselves."
        )
    needed = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
    for part, names in needed.items():
        for one in content[part]:
            missing = [name for name in names if not isinstance(one, dict) or name not in one]
            if missing:
                raise ImageError(f"{path}: one of its {part} has no {missing[0]!r}, so it is no annotation as COCO's.")
    known = {one["id"] for one in content["categories"]}
    unknown = next((one["category_id"] for one in content["annotations"] if one["category_id"] not in known), None)
    if unknown is not None:
        raise ImageError(f"{path}: an annotation is of category {unknown}, which is not among its categories.")
    return content


def _folder(path: Path, names: Sequence[str]) -> Path:
    """Where the pictures lie: beside the file, or in a folder called as COCO's are."""
    part = path.stem.rpartition("_")[2]
    homes = (path.parent, path.parent.parent)
    folders = [path.parent, *(home / inner for home in homes for inner in ("images", part, f"images/{part}"))]
    found = next((folder for folder in folders if names and (folder / names[0]).is_file()), None)
    if found is None:
        tried = ", ".join(str(folder) for folder in dict.fromkeys(folders))
        first = f"{names[0]} lies in none of {tried}" if names else "it names none"
        raise ImageError(f"{path}: the pictures of these annotations were not found: {first}.")
    return found
