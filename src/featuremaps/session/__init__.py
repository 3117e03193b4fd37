"""The promise that a model comes back as it was: one context manager, used by every entry point.

Whatever happens inside (an error, Ctrl-C, also while things are being put back), hooks, training flags, gradients,
buffers, the random state and torch's modes are afterwards what they were before. Only buffers are copied: parameters
are watched, not copied. Every undo is noted before its change, touches only what differs, and may be run again.
"""

from featuremaps.session.changes import OfThisThread, Session, StandIn, unhook
from featuremaps.session.held_attributes import HeldAttributes
from featuremaps.session.held_tensors import put_back
from featuremaps.session.preserved import preserved
from featuremaps.session.process_state import random_state, warnings_ignored
from featuremaps.session.torch_modes import listening
from featuremaps.session.turns import Beside, Turn, in_turn, undone, unwrapped

__all__ = [
    "Beside",
    "HeldAttributes",
    "OfThisThread",
    "Session",
    "StandIn",
    "Turn",
    "in_turn",
    "listening",
    "preserved",
    "put_back",
    "random_state",
    "undone",
    "unhook",
    "unwrapped",
    "warnings_ignored",
]
