"""The first screen of a report on pictures: how often the model is right, its surest mistake, what else."""

from collections.abc import Iterator, Sequence

from featuremaps.explain.comparison import INPUT
from featuremaps.outputs.outputs import in_percent
from featuremaps.plotting.panels import counted
from featuremaps.report.data import Section
from featuremaps.report.explanations import ExplainedPicture, Explanations, HeatmapData
from featuremaps.report.first_screen import Card, Change, FirstScreen, Panel
from featuremaps.report.focus import where_card

SHOWN = 4
"""So many pictures are named on a card."""


def explanation_title(name: str, pictures: Sequence[ExplainedPicture]) -> str:
    """What the model makes of the pictures in one sentence, as far as its answers and their labels are known."""
    told = [picture for picture in pictures if picture.top]
    labelled = [picture for picture in told if picture.label]
    if len(told) == 1 and len(pictures) == 1:
        best = told[0].top[0]
        if best.covers is not None:
            return f"What {name} finds in {told[0].name}: {divided_into(told[0], SHOWN)}"
        return f"{name} calls {told[0].name} “{best.label}” ({best.probability:.0%})"
    if labelled:
        right = sum(map(_right, labelled))
        known = " with a label" if len(labelled) < len(pictures) else ""
        return f"{name} is right for {right} of {counted(len(labelled), 'picture')}{known}"
    return f"What {name} sees in {counted(len(pictures), 'picture')}"


def explanation_first_screen(
    pictures: Sequence[ExplainedPicture], lead: str, more: Sequence[Section], *, flat: bool = True
) -> FirstScreen:
    """The two pictures that say most with their maps, and cards that lead to the sections.

    Of signals and volumes, which are not `flat`, no share of the picture is told.
    """
    chosen = _telling(pictures)
    return FirstScreen(lead, tuple(map(panel_of, chosen)), tuple(_cards(pictures, more, flat)))


def panel_of(picture: ExplainedPicture) -> Panel:
    """A picture with the model's answer and the first map of it that nothing speaks against."""
    map = _shown_map(picture)
    best = picture.top[0] if picture.top else None
    return Panel(
        title=picture.name,
        name=f"labelled {picture.label}" if picture.label else "as the model sees it",
        picture=picture.seen,
        answer="" if best is None else best.label if best.covers is None else divided_into(picture, 2),
        probability=None if best is None or best.covers is not None else best.probability,
        right=_right(picture) if best and picture.label else None,
        map=map.map if map else None,
        method=map.method if map else "",
        layer=map.layer if map else "",
        target=map.target.removeprefix("top: ") if map else "",
        code=f"{picture.code}\n{map.code}" if map and picture.code else "",
    )


def _shown_map(picture: ExplainedPicture) -> HeatmapData | None:
    """The first method's map at the last layer, for the first target.

    One with a warning, or of pixels, only where there is no other.
    """
    known = [heatmap for heatmap in picture.maps if heatmap.map is not None]
    if not known:
        return None
    first = known[0]

    def worse(heatmap: HeatmapData) -> tuple[bool, ...]:
        others = heatmap.method != first.method, heatmap.target != first.target
        return (bool(heatmap.warnings), heatmap.layer == INPUT, *others)

    return min(reversed(known), key=worse)


def _telling(pictures: Sequence[ExplainedPicture]) -> list[ExplainedPicture]:
    """The surest mistake and the surest right answer; without labels the surest and the least sure."""
    told = sorted((each for each in pictures if each.top), key=lambda each: -each.top[0].probability)
    wrong = [each for each in told if each.label and not _right(each)]
    right = [each for each in told if each.label and _right(each)]
    if wrong and right:
        return [wrong[0], right[0]]
    return [told[0], told[-1]] if len(told) > 1 else list(told or pictures[:1])


def _right(picture: ExplainedPicture) -> bool:
    return bool(picture.top) and picture.top[0].label == picture.label


def divided_into(picture: ExplainedPicture, most: int) -> str:
    """The largest classes of a segmentation with their shares."""
    return ", ".join(f"{score.label} {in_percent(score.covers or 0)}" for score in picture.top[:most])


def _cards(pictures: Sequence[ExplainedPicture], more: Sequence[Section], flat: bool) -> list[Card]:
    told = [picture for picture in pictures if picture.top]
    link = counted(len(pictures), "picture") if len(pictures) > 1 else "Its maps"
    cards = []
    if told and told[0].top[0].covers is not None:
        changes = [Change(score.label, score.covers or 0) for score in told[0].top[:SHOWN]]
        sentence = f"The largest classes in {told[0].name}, as shares of the picture."
        cards.append(Card("What does it find?", sentence, None, changes, Explanations.title, link))
    elif len(told) > 1:
        least = sorted(told, key=lambda each: each.top[0].probability)[:SHOWN]
        changes = [Change(f"{each.name}: {each.top[0].label}", each.top[0].probability) for each in least]
        sentence = f"Least sure of {least[0].name}: {least[0].top[0].label} with {least[0].top[0].probability:.0%}."
        cards.append(Card("How sure is it?", sentence, changes=changes, section=Explanations.title, link=link))
    elif told:
        changes = [Change(score.label, score.probability) for score in told[0].top[:SHOWN]]
        sentence = "What it finds, surest first." if told[0].top[0].box else "Its most probable classes."
        cards.append(Card("How sure is it?", sentence, None, changes, Explanations.title, link))
    maps = [heatmap for picture in pictures for heatmap in picture.maps]
    shown = [(each, map) for each in pictures if flat and (map := _shown_map(each)) and not map.warnings]
    cards.append(where_card(shown, maps, link))
    return [*cards, *(_cards_of(more) if more else ())]


def _cards_of(sections: Sequence[Section]) -> Iterator[Card]:
    """What stands in other sections; their libraries are loaded where there are any."""
    from featuremaps.report.boxes import BoxesSection
    from featuremaps.report.regions import TITLE, RegionsSection
    from featuremaps.report.shortcuts import ShortcutsSection, shortcut_card
    from featuremaps.report.trial import TrialSection

    for section in sections:
        if isinstance(section, ShortcutsSection):
            yield shortcut_card(section)
        elif isinstance(section, RegionsSection):
            yield Card("What does a region rest on?", section.summary, section=TITLE, link="The regions")
        elif isinstance(section, BoxesSection):
            yield Card("What does a box rest on?", section.summary, section=section.title, link="The boxes")
        elif isinstance(section, TrialSection):
            yield Card("Which map to believe?", section.summary, section=section.title, link="The trial")
