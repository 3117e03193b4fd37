"""A report's data made smaller without loss: a picture that stands in several sections travels once, maps deflated."""

import zlib
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from typing import Any

from featuremaps.report.encode import Json

SHORTEST = 200
"""Data URIs below so many characters stay where they are."""


def packed(payload: Json) -> Json:
    """The payload with its repeated `data:` URIs in `media`, `{"$media": place}` where they stood, and maps deflated.

    The viewer's `unpack.js` undoes it a section at a time. A payload that was not packed is read as well.
    """
    counts = Counter(_long_uris(payload))
    places = {uri: place for place, uri in enumerate(uri for uri, count in counts.items() if count > 1)}
    return {**_replaced(payload, places), "media": list(places)}


def _long_uris(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _long_uris(part)
    elif isinstance(value, list):
        for part in value:
            yield from _long_uris(part)
    elif isinstance(value, str) and len(value) >= SHORTEST and value.startswith("data:"):
        yield value


def _replaced(value: Any, places: dict[str, int]) -> Any:
    if isinstance(value, dict):
        return _deflated({name: _replaced(part, places) for name, part in value.items()})
    if isinstance(value, list):
        return [_replaced(part, places) for part in value]
    return {"$media": places[value]} if isinstance(value, str) and value in places else value


def _deflated(fields: Json) -> Json:
    """A quantised map with its integers deflated, where that makes them smaller; anything else as it is."""
    if "dtype" not in fields or not isinstance(fields.get("integers"), str):
        return fields
    small = b64encode(zlib.compress(b64decode(fields["integers"]), 9)).decode("ascii")
    if len(small) >= len(fields["integers"]):
        return fields
    return {name: value for name, value in fields.items() if name != "integers"} | {"deflated": small}
