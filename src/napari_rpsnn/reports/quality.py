"""What is wrong with a stack, in words that tell what to do at the microscope: findings of a survey and a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.reports.page import listed
from napari_rpsnn.reports.survey import SATURATED, Survey

#: Planes that make up less of the image contribute nothing. One that makes up more is all of it: the specimen is thin.
NOTHING, ALL = 0.001, 0.9
#: Mean values differ by more: brightness drifts.
DRIFT = 0.08
#: A hot pixel stands out in this share of the planes, of which there are so many at least.
EVERY, FEW_PLANES = 0.9, 4
#: Cells with detail: their best plane has so many times the energy of their worst one.
DETAIL = 5.0
#: Cells that have less than this share of the fine detail that the structure of other cells has, and whose structure
#: still grows by this factor over the last planes: focus lies beyond. So much of the picture is needed to say so. On
#: rendered stacks of seven kinds whose focus lies within, 2.3 % at most; without five of the twelve planes 3 to 37 %.
UNSHARP, GROWS, BEYOND = 0.5, 1.2, 0.05
#: Confidence that is low, and the share of the cells with detail that makes it worth a word.
UNSURE, OFTEN = 0.1, 0.3
#: Detail counts as sharp while it keeps 80 % of its contrast in focus, as much as Rayleigh's quarter of a wave leaves:
#: 64 % of its energy, which a Gaussian of energies has over a width of so many standard deviations.
WIDTH = 2 * math.sqrt(2 * math.log(1 / 0.64))


@dataclass(frozen=True)
class Finding:
    """A trouble: what kind of, what is wrong, what to do."""

    kind: str
    text: str
    advice: str


@dataclass(frozen=True)
class Decision:
    """What became of a stack.

    Attributes
    ----------
    shares : sequence of float, or None
        How much of the image is of each plane; None: values are of no plane.
    confidence : ndarray, or None
        How sure the choice is, at each pixel.
    spacing, unit : float, str
        Distance of planes; without a unit it is not told.
    first : int
        Number of the first plane.
    aligned : bool
        Whether planes were aligned before they were fused.
    empty : bool
        Whether no plane has data anywhere.
    """

    shares: Sequence[float] | None = None
    confidence: NDArray[np.float32] | None = None
    spacing: float = 1.0
    unit: str = ""
    first: int = 0
    aligned: bool = False
    empty: bool = False


def findings(survey: Survey, decision: Decision) -> list[Finding]:
    """All that is wrong, the gravest first."""
    looks = _shifted, _beyond, _coarse, _unused, _saturated, _drifting, _borders, _hot, _unsure
    made = [found for look in ((_empty,) if decision.empty else looks) for found in look(survey, decision)]
    if survey.count > 2:
        return made
    words = {"a plane": "an image", "plane": "image", "Plane": "Image"}
    for word, other in words.items():
        made = [replace(one, text=one.text.replace(word, other)) for one in made]
    return made


def depth_of_field(survey: Survey) -> float | None:
    """How many planes fine detail stays sharp in; None if that cannot be told.

    Of cells with detail whose best plane is not the first or last. The width of a Gaussian follows from its value at
    the best plane and the two beside it.
    """
    energy, _ = survey.volumes
    best, least = energy.argmax(0), energy.min(0)
    inside = detailed(survey) & (best > 0) & (best < survey.count - 1)
    if survey.count < FEW_PLANES or inside.sum() < 10:
        return None
    place = np.nonzero(inside)
    top = energy[best[inside], *place] - least[inside]
    beside = [energy[best[inside] + step, *place] - least[inside] for step in (-1, 1)]
    fall = sum(np.log(np.maximum(value / top, 2e-3)) for value in beside)
    return float(np.median(WIDTH / np.sqrt(np.maximum(-fall, 1e-6))))


def detailed(survey: Survey) -> NDArray[np.bool_]:
    """Cells in which planes differ by their detail."""
    energy, _ = survey.volumes
    floor = np.maximum(energy.min(0), np.percentile(energy, 5))
    detail: NDArray[np.bool_] = survey.inner & (energy.max(0) > DETAIL * floor)
    return detail


def unsharp(survey: Survey) -> NDArray[np.int8]:
    """Cells that no plane shows sharply: -1 where focus lies before the first plane, 1 behind the last, else 0."""
    energy, structure = survey.volumes
    best, nearest = energy.argmax(0), structure.argmax(0)
    there = structure.max(0)
    fine = energy.max(0) / np.maximum(there, 1e-12)
    seen = survey.inner & (there > 0.1 * np.median(there))
    inside = seen & detailed(survey) & (best > 0) & (best < survey.count - 1)
    made = np.zeros(best.shape, np.int8)
    if survey.count >= FEW_PLANES and inside.sum() >= 10:
        lost = seen & (fine < UNSHARP * np.median(fine[inside]))
        # Far from focus fine detail tells nothing any more; coarse structure still grows towards it.
        made[lost & (nearest == 0) & (structure[0] > GROWS * structure[2])] = -1
        made[lost & (nearest == survey.count - 1) & (structure[-1] > GROWS * structure[-3])] = 1
    return made


def _empty(survey: Survey, decision: Decision) -> list[Finding]:
    advice = "Look at the mask, at alpha and at NaN: together they leave nothing to take."
    return [Finding("no data", "No plane has data anywhere.", advice)]


def _shifted(survey: Survey, decision: Decision) -> list[Finding]:
    steps = np.hypot(*np.transpose(survey.shifts))
    moved = [k for k, step in enumerate(steps) if step >= 1]
    if not moved or decision.aligned:
        return []
    most = max(moved, key=lambda k: steps[k])
    far = f"{steps[most]:.0f} pixel{'' if steps[most] < 1.5 else 's'}"
    if len(moved) == 1:
        text = f"{_planes(moved, decision)} lies {far} beside the plane before."
    else:
        text = (
            f"{_planes(moved, decision)} lie beside the planes before, by up to {far} (plane {most + decision.first})."
        )
    advice = (
        "Fuse again and align: --register translation, or Register in the panel. Or find out what moves: stage, heat."
    )
    return [Finding("shift", text, advice)]


def _beyond(survey: Survey, decision: Decision) -> list[Finding]:
    cells, made = unsharp(survey), []
    for side, word, plane in ((-1, "before the first plane", 0), (1, "beyond the last plane", survey.count - 1)):
        share = float((cells == side).mean())
        if share >= BEYOND:
            text = f"{share:.0%} of the picture is sharp in no plane: its focus lies {word}, {plane + decision.first}."
            advice = f"Take more planes {'before' if side < 0 else 'after'} it, until that part has been sharp."
            made.append(Finding("no plane is sharp", text, advice))
    return made


def _coarse(survey: Survey, decision: Decision) -> list[Finding]:
    depth = depth_of_field(survey)
    if depth is None or depth >= 1:
        return []
    if decision.unit:
        unit = decision.unit
        figures = f"{decision.spacing:.3g} {unit} beside {depth * decision.spacing:.2g} {unit}"
        advice = f"Take planes every {depth * decision.spacing:.1g} {unit}: what lies between planes is sharp in none."
    else:
        figures = f"one plane beside {depth:.1f}"
        advice = f"Take {np.ceil(1 / depth):.0f} times as many planes: what lies between planes is sharp in none."
    return [Finding("spacing", f"Spacing is coarser than the depth of field: {figures}.", advice)]


def _unused(survey: Survey, decision: Decision) -> list[Finding]:
    shares = decision.shares
    if shares is None or len(shares) < FEW_PLANES or max(shares) > ALL:
        return []
    used = [k for k, share in enumerate(shares) if share >= NOTHING]
    if not used:  # of a great many planes none may make up much
        return []
    ends = range(used[0]), range(used[-1] + 1, len(shares))
    # A plane more on either side is no waste: it shows that focus lies between.
    idle = [k for end in ends if len(end) > 1 for k in end]
    if not idle:
        return []
    text = f"{_planes(idle, decision)} {_do(idle, 'contributes', 'contribute')} nothing."
    advice = f"The specimen ends there: planes {used[0] + decision.first} to {used[-1] + decision.first} would do."
    return [Finding("unused planes", text, advice)]


def _saturated(survey: Survey, decision: Decision) -> list[Finding]:
    top = max(survey.top)
    full = [k for k, share in enumerate(survey.saturated) if share > SATURATED and survey.top[k] == top]
    if not full:
        return []
    most = max(survey.saturated[k] for k in full)
    text = f"Up to {most:.0%} of the pixels of {_planes(full, decision, False)} are saturated, at {top:g}."
    return [Finding("saturation", text, "Shorten the exposure, or lower the gain: what is there is lost.")]


def _drifting(survey: Survey, decision: Decision) -> list[Finding]:
    low, high = (pick(range(survey.count), key=survey.brightness.__getitem__) for pick in (min, max))
    change = survey.brightness[high] / survey.brightness[low] - 1 if survey.brightness[low] > 0 else 0.0
    if change <= DRIFT:
        return []
    text = (
        f"Brightness is not the same in all planes: plane {high + decision.first} is {change:.0%} brighter than plane "
        f"{low + decision.first}."
    )
    advice = (
        "Deciding makes up for it, but values are the planes' own, so that steps may show. Switch automatic exposure "
        "off; let the lamp warm up; bleach less."
    )
    return [Finding("brightness", text, advice)]


def _borders(survey: Survey, decision: Decision) -> list[Finding]:
    found = [k for k, share in enumerate(survey.borders) if share]
    if not found:
        return []
    most = max(survey.borders)
    text = f"{_planes(found, decision)} {_do(found, 'has', 'have')} borders without data, up to {most:.1%} of a plane."
    advice = "They are left to other planes. Crop the image where no plane has data."
    return [Finding("borders", text, advice)]


def _hot(survey: Survey, decision: Decision) -> list[Finding]:
    if survey.count < FEW_PLANES:
        return []
    places = np.argwhere(survey.hot >= EVERY * survey.count)
    if len(places):
        some = listed([f"row {row} column {column}" for row, column in places[:3]])
        more = ", and more" if len(places) > 3 else ""
        text = f"{len(places)} hot pixel{'s' * (len(places) > 1)}: {some}{more}, in all planes."
        advice = "Subtract a dark frame, or let the camera's software correct them: they are copied as they are."
        return [Finding("hot pixels", text, advice)]
    if survey.spikes:
        text = f"{survey.spikes} single value{'s' * (survey.spikes > 1)} far beyond all others: cosmic rays."
        return [Finding("hot pixels", text, "They decide nothing, and are in the image only where their plane is.")]
    return []


def _unsure(survey: Survey, decision: Decision) -> list[Finding]:
    if decision.confidence is None:
        return []
    cells = detailed(survey)
    unsure = cells & (survey.cells(decision.confidence.astype(np.float64)) < UNSURE)
    share = unsure.sum() / max(cells.sum(), 1)
    if share < OFTEN:
        return []
    text = f"For {share:.0%} of what has detail it is not sure which plane is sharp."
    return [Finding("confidence", text, "Look at the map of confidence. Less noise helps: expose longer, average.")]


def _planes(numbers: Sequence[int], decision: Decision, begins: bool = True) -> str:
    """Planes as a sentence has them: runs as from-to."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    first = decision.first
    words = [f"{a + first}" if a == b else f"{a + first} to {b + first}" for a, b in runs]
    word = "plane" if len(numbers) == 1 else "planes"
    return f"{word.capitalize() if begins else word} {listed(words)}"


def _do(numbers: Sequence[int], one: str, several: str) -> str:
    return one if len(numbers) == 1 else several
