"""A report of a survey alone: what was found in two or three sentences, then the five questions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from featuremaps.report.data import Provenance, Rejection, ReportData, Section, versions_of
from featuremaps.report.html import write
from featuremaps.report.page_path import PagePath
from featuremaps.report.survey_first_screen import survey_first_screen, survey_title
from featuremaps.report.survey_sections import survey_sections
from featuremaps.survey.analysis.class_labels import labels_of
from featuremaps.survey.survey import Survey


def write_survey_report(survey: Survey, path: str | Path = "report.html", **options: Any) -> PagePath:
    """Write one HTML file that asks the five questions of a layer, and return its path; options as `survey_report`."""
    return write(survey_report(survey, **options), path)


def survey_report(
    survey: Survey,
    carry_to: Mapping[str, Survey] = MappingProxyType({}),
    *,
    layer: str | None = None,
    title: str = "",
    first: Sequence[Section] = (),
    command: str = "",
) -> ReportData:
    """The five questions asked of a layer, the deepest if none is named, below the sections that stand `first`.

    `carry_to` are surveys of the same model in other domains. Without the model, pictures are shown without its maps.
    Raises `SurveyError` where pictures may have several labels, and the survey is not about one of them.
    """
    if survey.pictures.sets is not None:
        labels_of(survey)  # which says how to ask
    manifest, pictures = survey.manifest, survey.pictures
    sections, findings = (*first, *survey_sections(survey, carry_to, layer=layer)), _findings(survey, carry_to)
    return ReportData(
        title=title or survey_title(manifest.model, survey.counted, sections),
        provenance=Provenance(
            model=manifest.model,
            source=str(survey.path),
            preprocessing=manifest.described.get("preprocessing", ""),
            layers=tuple(survey.layers),
            versions=versions_of(),
            settings={"precision": manifest.precision},
            command=command,
        ),
        findings=findings,
        first=survey_first_screen(findings[0], sections),
        sections=sections,
        rejected=tuple(Rejection(bad.name, bad.reason) for bad in pictures.bad),
    )


def _findings(survey: Survey, carry_to: Mapping[str, Survey]) -> tuple[str, ...]:
    """What was surveyed, and how often the model was right where that is known."""
    classes = f" of {len(survey.classes)} classes" if survey.classes else ", without labels"
    if survey.regions is not None:
        found = len(survey.found_counts)
        classes = f" by {'the class' if found == 1 else f'the {found} classes'} that it gives them"
    layers = ", ".join(f"{name} ({layer.channels} channels)" for name, layer in survey.layers.items())
    sentences = [f"{survey.manifest.model} was surveyed over {survey.counted}{classes}: {layers}."]
    if survey.pictures.bad:
        sentences.append(f"{len(survey.pictures.bad)} more could not be read and do not count.")
    if carry_to:
        sentences.append(f"What was found is carried over to {', '.join(carry_to)}.")
    return tuple(sentences)
