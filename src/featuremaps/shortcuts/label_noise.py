"""Whether a model fooled by a shortcut can be told from wrong labels, and from a class that is itself simple."""

import numpy as np
from jaxtyping import Bool

from featuremaps.shortcuts.responses import Responses
from featuremaps.shortcuts.strata import above_chance

UNLIKE = 0.005


def undecided(given: Responses, number: int, present: Bool[np.ndarray, " picture"]) -> bool:
    """Whether the model is as sure of pictures that it calls by an attribute against their label as of all others.

    One that has learned something of the class beside a shortcut is less sure where the two disagree. Where it is as
    sure, compared among pictures that it calls alike, they may as well be labelled wrongly, or the attribute is the
    class.
    """
    own, called = given.labels == number, given.called
    against = (own & ~present & (called != number)) | (~own & present & (called == number))
    counted = (called >= 0) & (against | (called == given.labels))
    if not (counted & against).any():
        return False
    sure = given.log_odds[counted, called[counted]][:, None]
    score, likely = above_chance(sure, against[counted][:, None], called[counted])
    return not (score[0, 0] < 0 and likely[0, 0] <= UNLIKE)
