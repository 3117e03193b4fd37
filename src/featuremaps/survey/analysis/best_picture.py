"""The picture of a survey that a drawing of a channel is held against."""

from featuremaps.draw.drawing import Real
from featuremaps.errors import ImageError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey


def best_picture(survey: StoredSurvey, preprocessing: Preprocessing, layer: str, channel: int) -> Real | None:
    """The best picture that a survey knows of a channel, by the mean of its map; None where the layer is not in it."""
    if layer not in survey.layers:
        return None
    survey.check_of_pictures("the best real picture of a channel")
    best = survey.top(f"{layer}:{channel}", 1, by="mean")[0]
    names = survey.pictures.names
    try:
        (seen,) = seen_pictures(survey, preprocessing, [best.row])
    except ImageError:  # the value is known all the same
        return Real(best.value, names[best.row], len(names), None)
    return Real(best.value, names[best.row], len(names), seen)
