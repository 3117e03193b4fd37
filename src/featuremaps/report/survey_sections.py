"""From a survey to sections of a report: the five questions in order, each with its picture first."""

from collections import Counter
from collections.abc import Callable, Mapping
from math import isclose
from types import MappingProxyType

import numpy as np

from featuremaps.errors import FeatureMapsError, SurveyError
from featuremaps.plotting.panels import number
from featuremaps.report.data import Section, made
from featuremaps.report.detectors import DetectorsSection, TestedDetector
from featuremaps.report.mistakes import MistakesSection
from featuremaps.report.specialists import ChannelOfClass, ClassChannels, SpecialistsSection
from featuremaps.report.sums import SumsSection
from featuremaps.report.survey_context import AskedSurvey, is_proven
from featuremaps.report.unit_pictures import PicturedUnit, UnitPicturesSection
from featuremaps.survey.analysis.channel_sums import Sums
from featuremaps.survey.analysis.class_labels import class_labels
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.detector_vs_model import Rivalry
from featuremaps.survey.analysis.mistakes import Mistake, Mistakes
from featuremaps.survey.analysis.specialists import Specialists
from featuremaps.survey.measures.auc import Separating
from featuremaps.survey.measures.roc import Threshold, choose_threshold
from featuremaps.survey.storage.fingerprint import check_carried
from featuremaps.survey.survey import Survey

STANDS_OUT, STANDING_OUT = "Channels that stand out", 6
CHANNELS, PICTURES, UNITS, ROW, MISTAKES = 3, 4, 3, 6, 24


def survey_sections(
    survey: Survey,
    carry_to: Mapping[str, Survey] = MappingProxyType({}),
    *,
    layer: str | None = None,
    name: str = "",
    of: str = "",
) -> tuple[Section, ...]:
    """The five questions, asked of one layer of a survey: the deepest unless another is named.

    Where boxes or regions are counted there is no truth beside the model's answers, so the first three.

    `carry_to` are surveys of the same model in other domains, onto which detectors are carried over. `name` is what
    this survey is called beside the others, `of` stands before each title. A part that cannot be made says why.
    """
    for named, target in carry_to.items():
        check_carried(survey.manifest, target.manifest, named)
    if carry_to:
        survey.check_of_pictures("carrying over to other surveys")
    layer = survey.layer_of(layer or list(survey.layers)[-1]).name
    asked = AskedSurvey(survey, layer, carry_to, name or survey.path.name)
    if survey.pictures.sets is None and not bool((survey.pictures.labels >= 0).any()):
        return (_made(STANDS_OUT, standing_out_section, asked),)
    makers: list[tuple[str, Callable[[AskedSurvey, str], Section]]] = [
        (SpecialistsSection.title, specialists_section),
        (UnitPicturesSection.title, unit_pictures_section),
        (SumsSection.title, sums_section),
    ]
    if survey.regions is None:  # whose classes are the model's own answers, so that there is nothing to test
        makers += [(DetectorsSection.title, detectors_section), (MistakesSection.title, mistakes_section)]
    return tuple(_made(titled(title, of), make, asked) for title, make in makers)


def titled(title: str, of: str) -> str:
    """The title of a section on one of several models."""
    return f"{of}: {title[0].lower()}{title[1:]}" if of else title


def standing_out_section(asked: AskedSurvey, title: str) -> UnitPicturesSection:
    """Without labels: the channels whose strongest picture stands out most, with their pictures."""
    known = asked.survey.statistics(asked.layer)
    spread = np.where(known["peak_std"] > 0, known["peak_std"], np.inf)
    order = np.argsort(-(known["peak_max"] - known["peak_mean"]) / spread, kind="stable")[:STANDING_OUT]
    units = []
    for channel in order.tolist():
        unit = f"{asked.layer}:{channel}"
        rows = {
            "Strongest": asked.pictures(unit, ROW),
            "From strongest to weakest": asked.pictures(unit, ROW, "spread"),
        }
        words = (
            f"Active in {known['active'][channel]:.0%} of the pictures; the median of its highest values is "
            f"{number(known['peak_q50'][channel])}, their maximum {number(known['peak_max'][channel])}."
        )
        units.append(PicturedUnit(unit, "", words, rows))
    caption = (
        f"The pictures have no labels, so that no question about classes can be asked. Of {asked.layer} these are the "
        "channels whose strongest picture stands out most from all others, in standard deviations."
    )
    return UnitPicturesSection(tuple(units), title, caption)


def _made(title: str, make: Callable[[AskedSurvey, str], Section], asked: AskedSurvey) -> Section:
    return made(title, lambda: make(asked, title), SpecialistsSection.question)


def specialists_section(asked: AskedSurvey, title: str) -> SpecialistsSection:
    """For each class its best channels with their strongest pictures of any class, and the article's own list."""
    article = asked.survey.specialists(asked.layer)
    classes = tuple(_class_channels(asked, label, article) for label in asked.labels)
    count, rows = len(asked.survey.pictures.names), asked.survey.rows
    caption = (
        f"For each class the channels of {asked.layer} whose mean separates its {rows} best from all others, and of "
        f"{count:,} {rows} of any class those in which the channel is strongest, with its highest value. The AUROC, "
        f"the area under the ROC curve, is the share of pairs of {rows}, one of the class and one of another, in which "
        "the channel is stronger in the former: 1 is perfect, 0.5 is chance. “Beyond chance” is meant with all "
        "channels counted (Holm)."
        f"{asked.of_regions}{asked.of_pictures}{asked.of_classes(len(classes))}"
    )
    return SpecialistsSection(classes, title, caption)


def _class_channels(asked: AskedSurvey, label: str, article: Specialists) -> ClassChannels:
    of = asked.survey.layers[asked.layer].channels
    best = asked.separation.best(label, of)
    proven = sum(map(is_proven, best))
    listed, count = article[label], article[label].pictures
    frequent = ", ".join(f"{c} (in {n} of {count})" for c, n in zip(listed.channels[:5], listed.counts, strict=False))
    subject = f"{proven} of {of} channels separate" if proven else f"No channel of {of} separates"
    rows = asked.survey.rows_of(label)
    words = f"{subject} its {count} {rows} from all others beyond chance."
    strongest = f"ost often among a {article.rows[:-1]}'s {article.per_image} strongest"
    if frequent:
        most_frequent = f"M{strongest} and on no other class's list: {frequent}."
    else:
        most_frequent = f"All {len(listed.shared)} channels m{strongest} are on another class's list too."
    return ClassChannels(label, words, [_channel(asked, label, channel) for channel in best[:CHANNELS]], most_frequent)


def _channel(asked: AskedSurvey, label: str, channel: Separating) -> ChannelOfClass:
    pictures, proven = asked.pictures(channel.unit, PICTURES), is_proven(channel)
    of_class = sum(picture.label == label for picture in pictures)
    shown = f"{of_class} of these {len(pictures)} {'is' if of_class == 1 else 'are'} {label}"
    words = f"AUROC {channel.area:.3f} ({channel.interval.words()})"
    words += "" if proven else ", not beyond chance"
    return ChannelOfClass(channel.unit, f"{words}; {shown}", pictures, proven)


def unit_pictures_section(asked: AskedSurvey, title: str) -> UnitPicturesSection:
    """Of each class's best channel the strongest pictures, and within the class from strongest to weakest."""
    units, rows = tuple(_pictured_unit(asked, label) for label in asked.labels[:UNITS]), asked.survey.rows
    caption = (
        f"For each class its best channel: the {rows} of any class in which it is strongest, then {rows} of the "
        "class alone, evenly from its strongest to its weakest. The last ones are those in which it misses its object."
        f"{asked.of_pictures}{asked.of_classes(len(units))}"
    )
    return UnitPicturesSection(units, title, caption)


def _pictured_unit(asked: AskedSurvey, label: str) -> PicturedUnit:
    channel = asked.channels(label)[0]
    unit = f"{asked.layer}:{channel}"
    rows = {
        "Strongest of all": asked.pictures(unit, ROW),
        f"{label}, from strongest to weakest": asked.pictures(unit, ROW, "spread", label),
    }
    threshold = _single_threshold(asked, label, channel)
    here, kind = threshold.counts, asked.survey.rows_of(label)
    words = (
        f"From {number(threshold.value)} on, its highest value finds {here.recall} of the {kind} of {label}, and "
        f"{here.false_alarm_rate} of the others reach as much. The threshold is the best one for these "
        f"{asked.survey.rows}."
    )
    return PicturedUnit(unit, label, words, rows)


def _single_threshold(asked: AskedSurvey, label: str, channel: int) -> Threshold:
    """The best threshold of a channel's highest value, and what it finds."""
    shown = class_labels(asked.survey, label)
    values = asked.survey.vectors(asked.layer, "max", [channel])[shown.rows, 0]
    return choose_threshold(values, shown.positives)


def sums_section(asked: AskedSurvey, title: str) -> SumsSection:
    """Every picture's summed activation of each class's channels."""
    rows, row = asked.survey.rows, asked.survey.rows[:-1]
    caption = (
        f"A dot is a {row}: left to right the {rows} in order of their class, upwards the sum of the channels' mean "
        f"activations. Channels that are a class's own lift its {rows} alone over the dashed threshold (Youden's). "
        f"They were chosen on these {rows}, so that the areas flatter them a little. Point at a {row} for its "
        "name, or walk through them with the arrow keys."
        f"{asked.of_classes(len(asked.labels))}"
    )
    words = tuple(_sum_words(asked.sums, g, bool(asked.proven(label))) for g, label in enumerate(asked.labels))
    return SumsSection(asked.sums, asked.survey.pictures.names, words, title, caption)


def _sum_words(sums: Sums, g: int, proven: bool) -> str:
    """How well a group's sum tells its class from the rest, and which other class comes nearest."""
    area, count = sums.areas[g], len(sums.channels[g])
    text = f"{count} channel{'' if count == 1 else 's'}"
    text += "" if proven else ", none of them beyond chance: the best one alone"
    if area is None:
        return f"{text}."
    means = {
        name: float(sums.values[sums.labels == n, g].mean())
        for n, name in enumerate(sums.classes)
        if bool((sums.labels == n).any())
    }
    mean = means.pop(sums.groups[g])
    nearest = max(means, key=means.__getitem__)
    return f"{text}; AUROC {area}. Mean sum {number(mean)}, next {nearest} with {number(means[nearest])}."


def detectors_section(asked: AskedSurvey, title: str) -> DetectorsSection:
    """Each class's channels as a detector, tested here and on every target."""
    caption = (
        "Each class's channels added up, and called the class from a threshold on. The threshold is chosen on "
        f"{asked.name} (largest recall − false alarms)"
    )
    carried = f" and carried as it is to {', '.join(asked.targets)}." if asked.targets else "."
    caption += (
        f"{carried} The filled dot on the curve is that threshold, the hollow square the model's own answer. "
        "Point at a curve for its thresholds, at the scores for their shares."
        f"{asked.of_classes(len(asked.labels))}"
    )
    return DetectorsSection(tuple(_tested(asked, label) for label in asked.labels), title, caption)


def _tested(asked: AskedSurvey, label: str) -> TestedDetector:
    channels = asked.channels(label)
    detector = asked.survey.detector(label, channels, layer=asked.layer)
    domains, words = [], []
    for name, survey in {asked.name: asked.survey, **asked.targets}.items():
        detection = detector.test(survey)
        try:
            rival = detector.against_model({name: survey})[name]
        except SurveyError:
            rival = None
        domains.append((name, detection, rival))
        words.append(_detected(detection, rival))
    return TestedDetector(label, asked.layer, channels, domains, words, bool(asked.proven(label)))


def _detected(detection: DetectorEvaluation, rival: Rivalry | None) -> str:
    here, best = detection.confusion, detection.best.counts
    text = (
        f"AUROC {detection.area}. At a threshold of {number(detection.threshold)} it finds {here.recall}, with "
        f"{here.false_alarm_rate} false alarms"
    )
    if not isclose(detection.best.value, detection.threshold, rel_tol=1e-6):
        text += (
            f"; the best threshold here, {number(detection.best.value)}, would find {best.recall.brief()} with "
            f"{best.false_alarm_rate.brief()}"
        )
    text += "."
    if rival is None:
        return text
    model = rival.model
    return text + (
        f" The model's own answer finds {model.recall.brief()} with {model.false_alarm_rate.brief()} false alarms; "
        f"only the detector is right {rival.only_detector} times, only the model {rival.only_model} "
        f"(p = {rival.p_value:.2g})."
    )


def mistakes_section(asked: AskedSurvey, title: str) -> MistakesSection:
    """The model's own confusion, its most certain mistakes, and whose channels were louder in them."""
    confusion = asked.survey.confusion()
    try:
        loud = asked.all_sums
    except FeatureMapsError:
        loud = None
    mistakes = asked.survey.mistakes(loud)
    shown = [(mistake, mistakes.open(mistake.row)) for mistake in _of_every_kind(mistakes, MISTAKES)]
    caption = (
        "Rows are what the pictures show, columns what the model says. σ is how far the sum of a class's channels lies "
        "above its mean over all pictures, in standard deviations."
    )
    words = _mistake_words(mistakes, confusion.accuracy)
    return MistakesSection(confusion, shown, len(mistakes), words, title, caption)


def _of_every_kind(mistakes: Mistakes, most: int) -> list[Mistake]:
    """At most so many mistakes, the most certain first: one of every confusion, then their second ones, and so on."""
    places: Counter[tuple[str, str]] = Counter()
    turns = []
    for mistake in mistakes.every:
        kind = (mistake.truth, mistake.predicted)
        turns.append(places[kind])
        places[kind] += 1
    kept = sorted(range(len(turns)), key=turns.__getitem__)[:most]
    return [mistakes.every[place] for place in sorted(kept)]


def _mistake_words(mistakes: Mistakes, accuracy: object) -> tuple[str, ...]:
    sentences = [f"The model is right for {accuracy}."]
    louder = {who: count for who, count in mistakes.louder().items() if count}
    if len(mistakes) and set(louder) - {"not known"}:
        parts = [f"those of the {who} in {count}" for who, count in louder.items() if who != "not known"]
        unknown = louder.get("not known", 0)
        rest = f"; in {unknown} that is not known, since not every class's channels were added up" if unknown else ""
        sentences.append(f"Of its {len(mistakes)} mistakes the louder channels were {' and '.join(parts)}{rest}.")
    return (*sentences, *(f"{note[0].upper()}{note[1:]}." for note in mistakes.notes))
