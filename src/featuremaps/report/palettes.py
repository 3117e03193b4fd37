"""The colour tables that the viewer paints with, 256 colours each."""

from base64 import b64encode

from featuremaps.plotting.colour_tables import BUNDLED, colour_table

# matplotlib's own list of them; it offers no way to ask.
_DIVERGING_STEMS = frozenset(("BrBG", "PRGn", "PiYG", "PuOr", "RdBu", "RdGy", "RdYlBu", "RdYlGn", "Spectral")) | {
    "berlin",
    "bwr",
    "coolwarm",
    "managua",
    "seismic",
    "vanimo",
}


def is_diverging(name: str) -> bool:
    """Whether the table has a neutral middle, and so belongs to signed values."""
    return name.removesuffix("_r") in _DIVERGING_STEMS


def palettes(wanted: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """The tables every report offers and those `wanted` by name: `{name, diverging, colours}` each.

    The colours are base64 of 768 bytes: red, green, blue, from low to high.
    """
    tables = {name: b64encode(colour_table(name).tobytes()).decode("ascii") for name in (*BUNDLED, *wanted)}
    return [{"name": name, "diverging": is_diverging(name), "colours": table} for name, table in tables.items()]
