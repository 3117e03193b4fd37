"""A survey as an object that answers questions of it: its verbs, each a thin call of a function beside its noun."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuremaps.errors import OptionError, SurveyError
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.survey.storage.fingerprint import check_made_with
from featuremaps.survey.storage.manifest import read_manifest
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey

if TYPE_CHECKING:
    from featuremaps.survey.analysis.channel_sums import Sums
    from featuremaps.survey.analysis.confusion import Confusion
    from featuremaps.survey.analysis.detector import Detector, ScoringRule
    from featuremaps.survey.analysis.fit_detector import ThresholdRule
    from featuremaps.survey.analysis.mistakes import Mistakes
    from featuremaps.survey.analysis.separation import Separation
    from featuremaps.survey.analysis.specialists import Specialists
    from featuremaps.survey.analysis.top_pictures import TopPictures, Which


@dataclass(frozen=True, eq=False, repr=False)
class Survey(StoredSurvey):
    """What every channel of some layers did over a whole dataset, on disk. `classes` are the labels' names, in order.

    `layer` may be left out of a question where only one was surveyed. With an `studied`, the model it was made of,
    places are framed in the original pictures and detectors can run.
    """

    studied: StudiedModel | None = field(default=None, repr=False)

    def made_of(self, studied: StudiedModel) -> "Survey":
        """The same survey, with the model it was made of; `SurveyError` where that is another one."""
        if self.studied is studied:
            return self
        check_made_with(self.manifest, studied.model, studied.preprocessing, self.path)
        return replace(self, studied=studied)

    def with_outputs(self, names: tuple[str, ...]) -> "Survey":
        """The same survey with names for the model's outputs, where it has none."""
        if self.model_classes is not None:
            return self
        return replace(self, manifest=replace(self.manifest, model_classes=names))

    def top_pictures(
        self, unit: str, n: int = 9, which: "Which" = "strongest", *, label: str | int | None = None, maps: bool = False
    ) -> "TopPictures":
        """The pictures in which a unit is strongest, weakest, or evenly spread between; of one class with `label`.

        Cut to what the unit sees, where the model is known; with `maps`, which runs it, the unit's map over each.
        `OptionError` for `maps` of a survey that was opened without its model.
        """
        from featuremaps.survey.analysis.top_pictures import top_pictures

        if maps and self.studied is None:
            raise OptionError(
                "maps=True runs the model on the pictures, and this survey was opened without it. Open it with its "
                f"model: scope.open_survey({str(self.path)!r})."
            )
        known = self.studied.preprocessing if self.studied else None
        return top_pictures(
            self, unit, n, which, label=label, studied=self.studied if maps else None, preprocessing=known
        )

    def specialists(
        self,
        layer: str | None = None,
        *,
        per_image: int = 25,
        per_class: int = 25,
        unique: bool = True,
        by: Pooling = "mean",
    ) -> "Specialists":
        """For each class the channels most often among its pictures' strongest, less what other classes share."""
        from featuremaps.survey.analysis.specialists import specialists

        return specialists(self, layer, per_image=per_image, per_class=per_class, unique=unique, by=by)

    def separation(self, layer: str | None = None, *, by: Pooling = "mean", level: float = 0.95) -> "Separation":
        """How well each channel separates each class from the rest: areas under the curve, with intervals."""
        from featuremaps.survey.analysis.separation import separation

        return separation(self, layer, by=by, level=level)

    def sums(
        self,
        channels_by_class: "Mapping[str, Sequence[int]] | Specialists | None" = None,
        layer: str | None = None,
        *,
        by: Pooling = "mean",
    ) -> "Sums":
        """For every picture the summed activation of each class's channels.

        If none are given, the (at most 25) channels that separate a class beyond chance, or the best one alone, as a
        detector takes them; where only one class has pictures, its specialists. `sums(survey.specialists())` is the
        article's procedure.
        """
        from featuremaps.survey.analysis.channel_sums import own_channels, sums
        from featuremaps.survey.analysis.specialists import Specialists

        if channels_by_class is None:
            channels_by_class = own_channels(self, layer, by)
        groups = channels_by_class.channels if isinstance(channels_by_class, Specialists) else channels_by_class
        return sums(self, groups, layer, by=by)

    def detector(
        self,
        label: str | int,
        channels: Sequence[int] | None = None,
        *,
        rule: "ScoringRule" = "sum",
        threshold: "ThresholdRule" = "youden",
        layer: str | None = None,
        by: Pooling = "mean",
        most: int = 25,
    ) -> "Detector":
        """A detector of one class from its channels alone, with a threshold chosen on this survey's pictures.

        `threshold` is "youden", {"false_alarm": x}, {"recall": x} or a score. Try it on others with `.test(survey)`.
        """
        from featuremaps.survey.analysis.fit_detector import detector

        model = self.studied.model if self.studied else None
        return detector(
            self, label, channels, rule=rule, threshold=threshold, layer=layer, pooling=by, model=model, most=most
        )

    def confusion(self, *, names: Mapping[str, str] | None = None) -> "Confusion":
        """The model's own predictions against the labels; `names` maps labels to outputs that are called otherwise."""
        from featuremaps.survey.analysis.confusion import confusion

        return confusion(self, names=names)

    def mistakes(self, sums: "Sums | None" = None, *, names: Mapping[str, str] | None = None) -> "Mistakes":
        """The pictures that the model calls wrongly, and with `sums` which class's channels were louder."""
        from featuremaps.survey.analysis.mistakes import mistakes

        return mistakes(self, sums, names=names)


def open_survey(path: str | Path, dataset: Any = None, studied: StudiedModel | None = None) -> Survey:
    """The survey in a folder; only its manifest is read now.

    `dataset` is where pictures are taken from that are no files, or have moved; with an `studied` places are framed in
    the originals and detectors run. Raises `SurveyError` where the folder holds no survey, an unfinished or damaged
    one, one of a newer version, or one of another model or preprocessing than the studied's.
    """
    folder = Path(path).expanduser()
    manifest = read_manifest(folder)
    if not manifest.complete:
        done = len(manifest.shards)
        raise SurveyError(
            f"the survey in {folder} is not finished ({done} of {manifest.count} shards are). Make the same survey "
            "again: it goes on from there."
        )
    wanted = [*manifest.tables, *(name for shard in manifest.shards for name in shard.files)]
    gone = [name for name in wanted if not (folder / name).is_file()]
    if gone:
        raise SurveyError(
            f"the survey in {folder} is damaged: {len(gone)} of its {len(wanted)} files are gone, first {gone[0]}. "
            "Make the same survey again: only what is missing is computed."
        )
    found = Survey(folder, manifest, dataset)
    return found if studied is None else found.made_of(studied)
