"""All-in-focus images from focus stacks, by the pseudo-Siamese residual atrous pyramid network (R-PSNN).

The names are loaded when they are first used: importing the package loads no torch and no Qt.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
