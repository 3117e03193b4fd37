"""Pictures by optimisation: what a unit looks for, what a layer remembers, what a style is made of.

Names are loaded from their files, which `__init__.pyi` tells, when they are asked for: the command line reads the
options without PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
