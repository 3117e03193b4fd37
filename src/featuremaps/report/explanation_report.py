"""From heatmaps to a report: what each panel shows, what was found, and how it was made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from featuremaps.errors import OptionError
from featuremaps.explain.comparison import INPUT, Comparison, Explanation
from featuremaps.explain.options import ExplainOptions
from featuremaps.methods import METHODS
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.detections import DetectedBox
from featuremaps.outputs.outputs import Classes, class_label
from featuremaps.pictures.seen import Seen, SeenPictures
from featuremaps.plotting.outlines import boxed
from featuremaps.plotting.panels import counted
from featuremaps.plotting.rendering import is_remark
from featuremaps.report.data import MethodNote, Provenance, Rejection, ReportData, Section, versions_of
from featuremaps.report.explanation_first_screen import explanation_first_screen, explanation_title
from featuremaps.report.explanations import ClassScore, ExplainedPicture, Explanations, HeatmapData
from featuremaps.report.recipe import map_code, picture_code
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.runtime.capture import device_of
from featuremaps.targets.detection_targets import Detection

if TYPE_CHECKING:
    from featuremaps.draw import DrawOptions
    from featuremaps.evidence.trial import Trial
    from featuremaps.survey.survey import Survey

TOP_CLASSES = 5
NAMED = 4
"""So many labels of what a detector found stand in the title."""
NOTHING_FOUND = "The detector found nothing to explain in this picture."
LONGEST = 256
"""The longest side of a volume's map, its slices beside each other."""


def explanation_report(
    studied: StudiedModel,
    comparison: Comparison,
    seen_pictures: SeenPictures,
    *,
    title: str = "",
    findings: Sequence[str] = (),
    more: Sequence[Section] = (),
    command: str = "",
) -> ReportData:
    """A report that shows every heatmap of a comparison, picture by picture, and then `more` sections."""
    pictures = tuple(
        explained_picture(comparison, seen, i, studied.classes, studied.name)
        for i, seen in enumerate(seen_pictures.seen)
    )
    sentences = tuple(findings) or summary(comparison, pictures)
    return ReportData(
        title=title or found_title(studied.name, comparison, pictures) or explanation_title(studied.name, pictures),
        provenance=provenance_of(studied, comparison, command),
        findings=sentences,
        first=explanation_first_screen(
            pictures, sentences[0], more, flat=all(len(seen.space) == 2 for seen in seen_pictures.seen)
        ),
        sections=(Explanations(pictures), *more),
        rejected=tuple(Rejection(bad.name, bad.reason) for bad in seen_pictures.rejected),
    )


def further_sections(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    units: Sequence[str] = (),
    survey: "Survey | None" = None,
    carry_to: "Mapping[str, Survey]" = MappingProxyType({}),
    trial: "Trial | None" = None,
    *,
    inside: bool = True,
    options: "DrawOptions | None" = None,
) -> list[Section]:
    """What stands below the explanations: a trial, drawings of `units`, a survey, and what is inside the model."""
    from featuremaps.draw import DrawOptions, draw
    from featuremaps.evidence.trial import Trial
    from featuremaps.report import model_sections
    from featuremaps.report.survey_sections import survey_sections
    from featuremaps.report.trial import TrialSection

    if not isinstance(trial, Trial | None):
        raise OptionError(f"trial is what scope.trial(pictures) or fm.open_trial(folder) gave; got {trial!r}.")
    if trial is not None:
        trial.check_model(studied.model)
    sections: list[Section] = [] if trial is None else [TrialSection(trial)]
    if survey is not None:
        sections += survey_sections(survey.made_of(studied), carry_to)
    if units:
        drawings = draw(studied, list(units), options or DrawOptions(), real=pictures)
        sections.append(model_sections.patterns_section(studied, pictures, units, drawings))
    return [*sections, *(model_sections.inside(studied, pictures) if inside else ())]


def explained_picture(
    comparison: Comparison, seen: Seen, index: int, classes: Classes, model: str = "", expression: str = ""
) -> ExplainedPicture:
    """One picture of a comparison with its top classes and all its maps.

    With `model`, its name, they carry the Python that makes them; `expression` is Python for a picture without a file.
    """
    image = seen.picture.image
    placement = None if image is None else seen.preprocessing.placement(image.size)
    panels = [
        _panel(key, heat, row, comparison.options) for key, heat in comparison.items() for row in heat.rows_of(index)
    ]
    boxes = boxes_in(comparison, index)
    shown = seen.image
    for box in boxes:
        shown = boxed(shown, box.box)
    failed = [
        HeatmapData(method, layer, str(target), failure=text)
        for (method, layer, target), text in comparison.failures.items()
    ]
    label = seen.picture.label
    return ExplainedPicture(
        name=seen.picture.name,
        seen=shown,
        original=image if placement is not None else None,
        placement=None if placement is None else placement.box,
        label=class_label(label, classes) if isinstance(label, int) else label,
        top=top_classes(comparison, index),
        maps=tuple(panels + failed),
        code=picture_code(model, seen.picture, expression) if model else "",
        note="" if panels or failed or not comparison.of_detector else NOTHING_FOUND,
    )


def top_classes(comparison: Comparison, index: int) -> tuple[ClassScore, ...]:
    """The model's most probable classes for one picture; of a segmentation those that cover most of it.

    Of a detector what it found there.
    """
    if boxes := boxes_in(comparison, index):
        return tuple(ClassScore(box.name, box.index or 0, box.score, box=True) for box in boxes)
    answers = comparison.answers[index] if comparison.answers else None
    best = () if answers is None else answers.top(TOP_CLASSES)
    return tuple(ClassScore(answer.label, answer.index, answer.probability, answer.covers) for answer in best)


def found_title(name: str, comparison: Comparison, pictures: Sequence[ExplainedPicture]) -> str:
    """What a detector found in one sentence; "" for other models."""
    boxes = [box for index in range(len(pictures)) for box in boxes_in(comparison, index)]
    if not comparison.of_detector:
        return ""
    where = pictures[0].name if len(pictures) == 1 else counted(len(pictures), "picture")
    if not boxes:
        return f"{name} finds nothing to explain in {where}"
    labels = Counter(box.label for box in boxes if not box.unsure)
    if not labels:
        surest = max(boxes, key=lambda box: box.score)
        return f"{name} finds nothing sure in {where}: at most {surest.label} ({surest.share})"
    named = ", ".join(label if times == 1 else f"{times} × {label}" for label, times in labels.most_common(NAMED))
    more = f" and {len(labels) - NAMED} more labels" if len(labels) > NAMED else ""
    return f"What {name} finds in {where}: {named}{more}"


def boxes_in(comparison: Comparison, index: int) -> list[DetectedBox]:
    """The boxes that are explained in one picture, each once, surest first."""
    rows = [heat.boxes[row] for heat in comparison.values() for row in heat.rows_of(index)]
    return sorted({box: None for box in rows if box is not None}, key=lambda box: -box.score)


def summary(comparison: Comparison, pictures: Sequence[ExplainedPicture]) -> tuple[str, ...]:
    """Two or three sentences on what a comparison holds."""
    without = sum(not picture.maps for picture in pictures) if comparison.of_detector else 0
    if without == len(pictures) > 0:
        return ("Nothing was found, however unsure. The detector's own settings may leave out what is unsure.",)
    methods, layers = ({key[place] for key in (*comparison, *comparison.failures)} - {INPUT} for place in (0, 1))
    maps = [heatmap for picture in pictures for heatmap in picture.maps]
    doubtful = sum(bool(heatmap.warnings) for heatmap in maps)
    failed = sum(heatmap.failure is not None for heatmap in maps)
    counts = (counted(len(pictures), "picture"), counted(len(methods), "method"), counted(len(layers), "layer"))
    sentences = ["{} explained by {} on {}.".format(*counts) if layers else "{} explained by {}.".format(*counts[:2])]
    if without:
        sentences.append(f"The detector found nothing to explain in {without} of {counted(len(pictures), 'picture')}.")
    sure = [picture.top[0].probability for picture in pictures if picture.top and picture.top[0].covers is None]
    if sure:
        weak = sum(probability < 0.5 for probability in sure)
        sentences.append(
            f"The model's first choice is below one half for {weak} of {len(sure)}: read those maps with care."
            if weak
            else f"The model's first choice has a probability of {min(sure):.0%} or more throughout."
        )
    if doubtful or failed:
        missing = f", {failed} could not be made" if failed else ""
        sentences.append(f"{doubtful} of {counted(len(maps), 'map')} with a warning{missing}.")
    return tuple(sentences)


def provenance_of(studied: StudiedModel, comparison: Comparison, command: str = "") -> Provenance:
    """How a comparison was made, for someone who wants to make it again."""
    keys, options = [*comparison, *comparison.failures], comparison.options
    methods = []
    for name in dict.fromkeys(key[0] for key in keys):
        chosen = ", ".join(f"{option}={value}" for option, value in options.of_methods.get(name, {}).items())
        methods.append(
            MethodNote(name, METHODS[name].summary + (f" ({chosen})" if chosen else ""), METHODS[name].paper)
        )
    usual = "each box found" if comparison.of_detector else "top prediction"
    return Provenance(
        model=type(studied.model).__name__,
        source=studied.name,
        preprocessing=studied.preprocessing.describe(),
        layers=tuple(dict.fromkeys(key[1] for key in keys)),
        methods=tuple(methods),
        targets=tuple(dict.fromkeys(usual if key[2] is None else str(key[2]) for key in keys)),
        versions=versions_of("torch", "torchvision", "numpy", "pillow"),
        settings={"seed": options.seed, "precision": options.precision},
        device=str(device_of(studied.model)),
        command=command,
    )


def _panel(key: tuple[str, str, object], found: Explanation, index: int, options: ExplainOptions) -> HeatmapData:
    method, layer, target = key
    heat = found if isinstance(found, Heatmaps) else found.shown()
    box = heat.boxes[index]
    label = heat.targets[index] or "any class"
    shown = f"top: {label}" if target is None and heat.targets[index] and box is None else label
    map = heat.pictures[index].sheet.small(heat.maps[index][None], LONGEST)[0]
    told = heat.warnings[index]
    one = target if target is not None or box is None or box.number is None else Detection(box.number)
    return HeatmapData(
        method,
        layer,
        shown,
        map,
        warnings=tuple(text for text in told if not is_remark(text)),
        remarks=tuple(text for text in told if is_remark(text)),
        code=map_code(method, layer, one, options),
        cut=not isinstance(found, Heatmaps),
    )
