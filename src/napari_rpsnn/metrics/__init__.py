"""How good a fused image is: measures with a truth and without, and what fools each of them.

Every measure is a pure function of grey arrays `(rows, columns)` with values from 0 to 255, as `to_grey` makes them of
any image. `MEASURES` lists them, the trustworthy ones first.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
