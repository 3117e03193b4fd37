"""What the demo's surveys found: sentences from measured numbers, and the sections that show them."""

from dataclasses import replace

import numpy as np

from featuremaps.demo.drawn import LEARNED_NAME, PHOTOGRAPHS, XRAYS
from featuremaps.demo.surveys import WorldSurveys
from featuremaps.report.data import Section, made
from featuremaps.report.model_standings import StandingsSection
from featuremaps.report.sums import SumsSection
from featuremaps.report.survey_sections import survey_sections
from featuremaps.survey.analysis.channel_sums import Sums
from featuremaps.survey.analysis.model_comparison import Standing
from featuremaps.survey.measures.auc import Area, auc


def survey_findings(world: WorldSurveys) -> tuple[str, ...]:
    """Whether demo's channels are its classes' own, how a threshold carries over, and who separates better."""
    of, labels = world.comparison.of, ("scissors", "hammer")
    answers = [own_sentence(world.carried, label, world.plain) for label in labels]
    carried = carried_sentence(of("demo-fixed", "scissors"))
    better = [better_sentence(of("demo", label), of("demo-fixed", label)) for label in labels]
    return (*answers, carried, f"On the same photographs, where the background says nothing, {'; '.join(better)}.")


def own_sentence(carried: Sums, label: str, plain: np.ndarray) -> str:
    """Whether the channels that a model learned for a class answer to the class or to its background."""
    if label not in carried.groups:
        return f"In pictures like those it learned from, no channel of demo separates {label} beyond chance."
    group = carried.groups.index(label)
    ground = plain if label == "scissors" else ~plain
    where = "plain ground from clutter" if label == "scissors" else "clutter from plain ground"
    area = carried.areas[group]
    assert area is not None
    of_ground = auc(carried.values[:, group], ground)
    count = len(carried.channels[group])
    channels = "the channel that separates" if count == 1 else f"the {count} channels that separate"
    return (
        f"Take {channels} {label} best in pictures like those demo learned from. Where the background says nothing, "
        f"their sum tells {label} from the rest with an area of {_area(area)}, and {where} with {_area(of_ground)}: "
        f"{verdict(area, of_ground, label)}."
    )


def verdict(own: Area, ground: Area, label: str) -> str:
    """What two areas say together, by their intervals: 0.5 is chance."""
    if ground.interval.low > max(own.interval.high, 0.5):
        what = "the background, not" if own.interval.low <= 0.5 else "the background more than"
        return f"these channels answer to {what} {'the scissors' if label == 'scissors' else f'the {label}'}"
    if own.interval.low > 0.5:
        return "they are its own" if ground.interval.low <= 0.5 else "they answer to both"
    return "neither can be told from chance"


def carried_sentence(standing: Standing) -> str:
    """What becomes of a threshold in another domain."""
    source, target = standing.source.confusion, standing.target
    assert target is not None
    assert standing.shift is not None
    here = target.confusion
    return (
        f"{standing.model}'s channels for {standing.label}, with a threshold chosen on photographs, find "
        f"{source.recall.brief()} there with {source.false_alarm_rate.brief()} false alarms. The same threshold "
        f"finds {here.recall.brief()} in X-rays with {here.false_alarm_rate.brief()}; the best one there would lie "
        f"{abs(standing.shift):.1f} standard deviations {'higher' if standing.shift > 0 else 'lower'}."
    )


def better_sentence(first: Standing, second: Standing) -> str:
    """Which of two models separates a class better, where their intervals tell."""
    areas = f"{first.model} {_area(first.source.area)}, {second.model} {_area(second.source.area)}"
    lower, higher = sorted((first, second), key=lambda standing: standing.source.area.value)
    apart = higher.source.area.interval.low > lower.source.area.interval.high
    says = f"{higher.model} separates it better" if apart else "their intervals overlap"
    return f"the area for {first.label} is for {areas} ({says})"


def _area(area: Area) -> str:
    return f"{area.value:.2f} ({area.interval.words(2)})"


def survey_parts(world: WorldSurveys) -> tuple[Section, ...]:
    """Sections: demo's channels by class and ground, both models compared, then the five questions for demo."""
    grounds = "demo: scissors, or plain ground?"
    standings = "Which model separates better"
    demo = world.surveys["demo"]
    return (
        made(grounds, lambda: _grounds(world, grounds), SumsSection.question),
        made(standings, lambda: _standings(world, standings), StandingsSection.question),
        *survey_sections(
            demo[LEARNED_NAME], {PHOTOGRAPHS: demo[PHOTOGRAPHS], XRAYS: demo[XRAYS]}, name=LEARNED_NAME, of="demo"
        ),
    )


def _grounds(world: WorldSurveys, title: str) -> SumsSection:
    """The same sums with pictures told apart by what they show and on which ground."""
    carried = world.carried
    names = world.surveys["demo"][PHOTOGRAPHS].pictures.names
    words = tuple(own_sentence(carried, label, world.plain) for label in carried.groups)
    split = replace(
        carried,
        labels=carried.labels * 2 + ~world.plain,
        classes=tuple(f"{name}, {ground}" for name in carried.classes for ground in ("plain", "clutter")),
    )
    caption = (
        "Channels chosen in pictures like those demo learned from, where scissors lie on plain ground and hammers "
        "among clutter; here in photographs where every thing lies on either as often. A class's own channels would "
        "lift both kinds of its pictures; channels of the background lift every picture on that ground."
    )
    return SumsSection(split, names, words, title, caption)


def _standings(world: WorldSurveys, title: str) -> StandingsSection:
    caption = (
        "For each model and class the channels that separate it best in photographs, added up. The same threshold is "
        "then used in X-rays. Bars are 95% intervals of the area; the upright line is chance. The channels were "
        "chosen on these photographs, so that areas there flatter both models."
    )
    return StandingsSection(world.comparison, PHOTOGRAPHS, XRAYS, title, caption)
