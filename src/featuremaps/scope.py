"""The model under study. Its verbs are thin: each gathers pictures, finds layers, and calls one function below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from featuremaps.asking import MethodLike, asked, methods_of, several
from featuremaps.comparison import Comparison, Explanation
from featuremaps.drawing_study import DrawingStudy
from featuremaps.errors import OptionError
from featuremaps.explain import Smoothing, compare
from featuremaps.methods import Method
from featuremaps.needs import Precision
from featuremaps.sight import Sighting
from featuremaps.tapping import device_of

if TYPE_CHECKING:
    from featuremaps.draw import Drawing, Drawings
    from featuremaps.report.data import Section
    from featuremaps.survey.survey import Survey

REPORT_METHODS = ("grad_cam", "layer_cam", "hires_cam", "guided_backprop", "integrated_gradients", "lrp")


@dataclass(frozen=True, eq=False)
class Scope(DrawingStudy):
    """A vision model under study: the module, its preprocessing, its class names.

    `transform` turns a PIL picture into the model's input (channel, height, width); without one, pictures become
    floats from 0 to 1 at their own size. `classes` names the outputs, in order. The model is used where it is, and
    is after every call as it was before.
    """

    def explain(
        self,
        pictures: object,
        method: MethodLike = "grad_cam",
        *,
        layer: str = "last",
        target: object = None,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        **options: object,
    ) -> Explanation:
        """Where each picture speaks for `target`: one method on one layer, or down to the pixel.

        `Heatmaps` at the layer's resolution for a method of a layer, `Attributions` for a pixel method; `layer` is
        not used by a method that looks at no layer. `options` are the method's own. See `compare`.
        """
        known = methods_of(method)[0]
        comparison = self._compare(
            pictures, [known], layer, [target], smooth, seed, precision, batch_size, {known.name: options}
        )
        if len(comparison) > 1:
            found = ", ".join(key[1] for key in comparison)
            raise OptionError(
                f"layer={layer!r} names {len(comparison)} layers ({found}); use compare(layers=…) for several."
            )
        return next(iter(comparison.values()))

    def compare(
        self,
        pictures: object,
        methods: MethodLike | Sequence[MethodLike] = ("grad_cam",),
        layers: str | Sequence[str] = "last",
        targets: object = None,
        *,
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Comparison:
        """Heatmaps keyed `(method, layer, target)`, all from one forward pass per picture and one backward per target.

        `targets` is one target or a list of several for each picture. `smooth="augment"` averages over flipped and
        brightened copies, `"eigen"` keeps the first principal component of the channels' contributions.
        `precision` is that of the extra passes some methods make. `options` are per method name.
        """
        return self._compare(
            pictures, methods_of(methods), layers, several(targets), smooth, seed, precision, batch_size, options or {}
        )

    def survey(
        self,
        dataset: object,
        layers: str | Sequence[str] = "last",
        out: str | Path = "survey",
        *,
        labels: Sequence[str] | None = None,
        image: str | None = None,
        label: str | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        precision: Precision = "float32",
        predictions: bool | None = None,
        keep: int = 100,
        resume: bool = True,
        engine: str = "local",
    ) -> "Survey":
        """What every channel of `layers` does over a whole dataset, kept in the folder `out`; goes on if stopped.

        `dataset` is a folder with a sub-folder per class, a list of paths or of (path, label), a CSV or Parquet file
        (columns `image` and `label`), a Dataset or DataLoader, tar shards, or a Hugging Face dataset. `labels` names
        its labels in order. `keep` pictures are kept as strongest and weakest of each channel. `engine` "ray" computes
        on a Ray cluster, an actor per GPU or core. Raises `SurveyError` where `out` holds a survey of something else.
        """
        from featuremaps.survey.run import run_survey

        return run_survey(
            self._anatomy,
            self.preprocessing,
            dataset,
            layers,
            out,
            classes=self.classes,
            model_name=self.name,
            image=image,
            label=label,
            labels=labels,
            batch_size=batch_size,
            workers=workers,
            precision=precision,
            predictions=predictions,
            keep=keep,
            resume=resume,
            engine=engine,
        )

    def open_survey(self, path: str | Path, dataset: object = None) -> "Survey":
        """A survey of this model that was made before, with places framed and detectors that run.

        Outputs that had no names when it was made have those of this model's classes.
        """
        from featuremaps.survey.survey import open_survey

        found = open_survey(path, dataset, self._anatomy)
        return found if self.classes is None else found.with_outputs(tuple(self.classes))

    def report(
        self,
        pictures: object,
        path: str | Path = "report.html",
        *,
        methods: MethodLike | Sequence[MethodLike] = REPORT_METHODS,
        layers: str | Sequence[str] | None = None,
        targets: object = None,
        title: str = "",
        findings: Sequence[str] = (),
        anatomy: bool = True,
        draw: str | Sequence[str] = (),
        survey: "Survey | None" = None,
        carry_to: "Mapping[str, Survey]" = MappingProxyType({}),
        command: str = "",
        smooth: Smoothing | Sequence[Smoothing] = (),
        seed: int = 0,
        precision: Precision = "float32",
        batch_size: int = 32,
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Path:
        """Write one self-contained HTML file that explains each picture, and return its path.

        Without `layers`, the last layers of the three deepest map sizes. A method that fails is shown as failed; the
        rest is written. `anatomy` adds the walk through the layers, their channels and the first filters, `draw` the
        strongest pictures and drawings of these units, `survey` what a whole dataset says, and `carry_to` how well its
        detectors do in others. `command` repeats it.
        """
        sighting = self.see(pictures)
        units = [draw] if isinstance(draw, str) else list(draw)
        more = [self.patterns(sighting, units, self.draw(units, real=sighting, seed=seed))] if units else []
        if survey is not None:
            from featuremaps.report.surveyed import survey_sections

            more += survey_sections(survey.made_of(self._anatomy), carry_to)
        chosen, wanted = methods_of(methods), several(targets)
        stages = self._anatomy.walk(sighting.seen[0].input[None]).stages[-3:] if layers is None else layers
        comparison = self._compare(
            sighting, chosen, stages, wanted, smooth, seed, precision, batch_size, options or {}, keep_failures=True
        )
        return self.write_report(
            comparison,
            sighting,
            path,
            title=title,
            findings=findings,
            more=[*more, *(self.inside(sighting) if anatomy else ())],
            command=command,
            seed=seed,
            precision=precision,
            options=options,
        )

    def write_report(
        self,
        comparison: Comparison,
        sighting: Sighting,
        path: str | Path = "report.html",
        *,
        title: str = "",
        findings: Sequence[str] = (),
        more: "Sequence[Section]" = (),
        command: str = "",
        seed: int = 0,
        precision: Precision = "float32",
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Path:
        """Write a comparison that is already there as one HTML file, with `more` sections below."""
        from featuremaps.report.build import explanation_report, provenance_of
        from featuremaps.report.html import write

        provenance = provenance_of(
            comparison,
            model=self.name,
            architecture=type(self.model).__name__,
            preprocessing=self.preprocessing.describe(),
            device=device_of(self.model),
            seed=seed,
            precision=precision,
            command=command,
            options=options,
        )
        report = explanation_report(
            comparison,
            sighting.seen,
            classes=self.classes,
            title=title or f"What {self.name} sees",
            provenance=provenance,
            rejected=sighting.rejected,
            findings=findings,
            more=more,
        )
        return write(report, path)

    def report_survey(
        self,
        survey: "Survey",
        path: str | Path = "report.html",
        *,
        carry_to: "Mapping[str, Survey]" = MappingProxyType({}),
        layer: str | None = None,
        title: str = "",
        command: str = "",
    ) -> Path:
        """Write one HTML file that asks the five questions of a survey, and return its path; see `survey_report`."""
        from featuremaps.report.survey_report import write_survey_report

        known = survey.made_of(self._anatomy)
        return write_survey_report(known, path, carry_to=carry_to, layer=layer, title=title, command=command)

    def inside(self, pictures: object) -> "tuple[Section, ...]":
        """Sections of a report on what is inside the model: its layers for these pictures, and its first filters."""
        from featuremaps.report.inside import inside

        return inside(self._anatomy, self.see(pictures).seen, self.preprocessing.colours)

    def patterns(
        self,
        pictures: object,
        units: Sequence[str],
        drawings: "Sequence[Drawing]" = (),
        remarks: Mapping[str, str] = MappingProxyType({}),
    ) -> "Section":
        """A section of a report on what units look for: their strongest pictures, and what was drawn of them."""
        from featuremaps.report.inside import patterns_section

        return patterns_section(self._anatomy, self.see(pictures).seen, units, drawings, remarks)

    def unit_pages(
        self,
        survey: "Survey",
        folder: str | Path,
        units: Sequence[str] | None = None,
        *,
        n: int = 9,
        drawings: "Drawings | None" = None,
    ) -> Path:
        """Write a page for every unit of a survey, or for some: `folder/unit.html#layer4-452`; no server is needed.

        This model's maps are laid over the `n` strongest pictures; `drawings` of units stand beside them.
        """
        from featuremaps.report.unit_pages import write_unit_pages

        drawn = {one.name: one.over() for one in drawings or ()}
        known = survey.made_of(self._anatomy)
        return write_unit_pages(known, folder, units, self._anatomy, n=n, drawings=drawn)

    def _compare(
        self,
        pictures: object,
        methods: Sequence[Method],
        layers: str | Sequence[str],
        targets: Sequence[object],
        smooth: Smoothing | Sequence[Smoothing],
        seed: int,
        precision: Precision,
        batch_size: int,
        options: Mapping[str, Mapping[str, object]],
        keep_failures: bool = False,
    ) -> Comparison:
        seen = self.see(pictures).seen
        request = asked(
            self._anatomy,
            seen[0].input[None],
            methods,
            layers,
            targets,
            options,
            classes=self.classes,
            smooth=frozenset([smooth] if isinstance(smooth, str) else smooth),
            seed=seed,
            precision=precision,
            keep_failures=keep_failures,
        )
        return compare(self.model, seen, request, batch_size)
