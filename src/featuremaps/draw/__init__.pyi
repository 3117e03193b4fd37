"""The names of the package, each from its file, for type checkers and for `__init__.py`."""

from .canvas import Canvas as Canvas
from .choices import Size as Size
from .cppn import CppnCanvas as CppnCanvas
from .draw_units import draw as draw
from .draw_units import first_channels as first_channels
from .drawing import Drawing as Drawing
from .drawing import Drawings as Drawings
from .fourier import FourierCanvas as FourierCanvas
from .jitter import Jitter as Jitter
from .maco import MacoCanvas as MacoCanvas
from .multiscale import Multiscale as Multiscale
from .objective import Channel as Channel
from .objective import ClassScore as ClassScore
from .objective import Direction as Direction
from .objective import Layer as Layer
from .objective import Neuron as Neuron
from .objective import Objective as Objective
from .objective import interpolated as interpolated
from .options import DrawOptions as DrawOptions
from .pixels import PixelCanvas as PixelCanvas
from .reference import Caricature as Caricature
from .reference import Match as Match
