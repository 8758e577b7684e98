"""Focus stacks whose truth is known, and how good a fused one is.

`optics.py` makes planes, `content.py` what they show, `kinds.py` specimens of both; `scenes.py` adds what a camera does
to them. `scores.py` judges, `rivals.py` has what others do, `pictures.py` shows it all.
"""
