"""Where two depths are right, a twig and the wall behind it, the one that is asked for.

At such a pixel the scores of the planes have two peaks of comparable worth. From the side that is preferred, planes are
gone through until a peak has ended that is nearly as good as the best one: what comes after it does not count.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

#: A peak is as good as the best one if its score is less by no more than this, and a peak of its own if scores fall by
#: this much behind it. Scores are logarithms of probabilities. Of bristles before texture, seen from in front, 7.4 % of
#: the pixels are lost without a preference, 4.7 % with this one and 3.6 % with 8; from 8 on a scene without anything
#: before anything else loses 0.1 dB.
NEARLY, VALLEY = 5.0, 2.0
#: What does not count stays behind all that does, but before planes that have no data.
BEHIND = 5e3


def leave_out_others(scores: Tensor, numbers: Sequence[int], prefer: str) -> Tensor:
    """Scores `(N, rows, columns)`, those of planes behind the preferred peak so low that none of them wins.

    Parameters
    ----------
    scores : Tensor
        Is changed, too.
    numbers : sequence of int
        Of the planes, from the nearest to the farthest one.
    prefer : str
        "near" or "far".
    """
    least = scores.amax(0) - NEARLY
    top = scores.new_full(least.shape, -float("inf"))
    found = top > 0
    for k in sorted(range(len(numbers)), key=numbers.__getitem__, reverse=prefer == "far"):
        score = scores[k]
        ended = top - score >= VALLEY
        found |= ended & (top >= least)
        # Behind a peak that is not good enough the next one begins.
        top = score.where(ended, top.maximum(score))
        scores[k] = score - BEHIND * found
    return scores
