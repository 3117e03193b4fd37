"""Detectors that leave out what is less sure than a score of their own: where nothing is left, they are asked for more.

Torchvision's keep that score as `score_thresh`; of others it is known by its name.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from torch import Tensor, nn

from featuremaps.layers.listed_detections import Listed, listed_if_any
from featuremaps.outputs.torchvision_detectors import asking
from featuremaps.session import Beside, Session

NAMES = frozenset(
    f"{score}_{threshold}"
    for score in ("score", "box_score", "conf", "confidence")
    for threshold in ("thresh", "thres", "thr", "threshold")
) | {"conf", "confidence"}
"""What the number of a module is called that is such a score."""
LESS, LEAST = 0.1, 0.002
"""Where nothing is found, boxes with so much of the score are asked for, and so on; below the least one, for all."""
_OWN: Beside[float] = Beside()
"""The score that the detector of a session asks for, beside the session."""


def own_threshold(session: Session) -> float:
    """The score from which on a detector gives a box: of torchvision's, and of others that were asked for more."""
    home = asking(session.model)
    return _OWN.get(session, lambda: 0.0 if home is None else float(home.score_thresh))


def gives_less_sure(session: Session, outputs: object) -> bool:
    """Whether a detector, which gave these outputs, gives more boxes from now on in this session.

    It may where it left a picture without any, as long as it asks for a score.
    """
    listed = listed_if_any(outputs)
    if listed is None or not all("scores" in each for each in listed) or not any(map(_is_empty, listed)):
        return False
    asked = [(module, name, value) for module, name, value in _asked(session.model) if _keeps_to(listed, value)]
    if not asked:
        return False
    if not own_threshold(session):
        _OWN.set(session, max(value for *_, value in asked))
    for module, name, value in asked:
        session.before_undoing(partial(setattr, module, name, getattr(module, name)))
        setattr(module, name, value * LESS if value * LESS >= LEAST else 0.0)
    return True


def _asked(model: nn.Module) -> Iterator[tuple[nn.Module, str, float]]:
    """The modules of a detector that ask for a score, the name by which they keep it, and the score."""
    home = asking(model)
    if home is not None:
        known = [(home, "score_thresh")]
    else:
        known = [(module, name) for module in model.modules() for name in NAMES & vars(module).keys()]
    for module, name in known:
        value = getattr(module, name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
            yield module, name, float(value)


def _keeps_to(listed: Listed, threshold: float) -> bool:
    """Whether nothing that was listed is less sure than this score, as where a detector asks for it."""
    return all(bool(((each["scores"] >= threshold) | (each["scores"] == 0)).all()) for each in listed)


def _is_empty(given: Mapping[str, Tensor]) -> bool:
    return not bool((given["scores"] > 0).any())
