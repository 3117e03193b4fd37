"""What a measure says of itself, and what is refused when it is registered."""

from collections.abc import Iterator
from inspect import unwrap

import pytest

from featuremaps.errors import OptionError
from featuremaps.evidence.registry import MEASURES, NEEDS, measure


@pytest.fixture
def _forgotten() -> Iterator[None]:
    yield
    for name in ("mine", "deletion2"):
        if name in MEASURES:
            MEASURES.remove(name)


def named(**given: object):  # type: ignore[no-untyped-def]
    return measure(paper="none", better="higher", unit="share", family="complexity", **given)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_forgotten")
def test_signature_says_needs_and_options() -> None:
    def mine(heatmap, masks, *, steps=3):  # type: ignore[no-untyped-def]
        """A measure.

        With more to say.
        """

    assert unwrap(named(limit=0.5)(mine)) is unwrap(mine)
    entry = MEASURES["mine"]
    assert (entry.needs, list(entry.options), entry.summary) == (("heatmap", "masks"), ["steps"], "A measure.")
    assert [entry.passed(value) for value in (0.4, 0.5, 0.6)] == [False, True, True]
    assert MEASURES["random_target"].passed(0.95) is False
    assert MEASURES["deletion"].passed(0.5) is None


@pytest.mark.usefixtures("_forgotten")
def test_what_is_refused() -> None:
    def mine(heatmaps):  # type: ignore[no-untyped-def]
        """A measure."""

    with pytest.raises(OptionError, match=r"names 'heatmaps', which nobody supplies\. Did you mean 'heatmap'"):
        named()(mine)

    def deletion(heatmap):  # type: ignore[no-untyped-def]
        """A measure."""

    with pytest.raises(OptionError, match=r"a measure named 'deletion' is registered already"):
        named()(deletion)

    def deletion2(heatmap, *, steps):  # type: ignore[no-untyped-def]
        """A measure."""

    with pytest.raises(OptionError, match=r"option 'steps' of measure 'deletion2' needs a default value"):
        named()(deletion2)


def test_every_need_is_named_by_a_measure() -> None:
    assert {need for entry in MEASURES.values() for need in entry.needs} == set(NEEDS)
