"""Judge answers against what was expected, and draw how far confidence can be believed.

Two kinds of questions: known ones, which have an expected answer, and strange
ones, which should go to a person. Handing over is right when the question is
strange or the answer at hand would be wrong. Nothing here searches: callers
bring what was found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

BINS = 10
KEPT = 0.95
WIDTH, HEIGHT, EDGE = 460, 340, 46


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the answers that are right, each an article or ``article:part of a heading``."""

    text: str
    expected: tuple[str, ...]
    language: str = "en"

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return bool(self.expected)

    def is_right(self, article: str, heading: str, position: int) -> bool:
        """Return whether a passage is an expected answer."""
        for one in self.expected:
            name, colon, part = one.rpartition(":")
            if one == article:
                return True
            if colon and name == article and (part in heading if part else position == 0):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a question."""

    asked: Asked
    right: bool
    confidence: float
    rank: int  # of the first right passage, from 1; 0 if none was found


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of like confidence: how many, how sure on average, how many right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of an evaluation; shares, 0 to 1."""

    known: int
    strange: int
    accuracy: float  # of known questions, the first passage is right, answered or not
    in_five: float
    coverage: float  # of known questions, answered
    precision: float  # of known questions answered, right
    overall_precision: float  # of everything answered, right
    hand_over_precision: float
    hand_over_recall: float
    strange_answered: float
    caught: float  # of strange questions, below the confidence that keeps 95 % of known ones
    bins: tuple[Bin, ...]
    error: float  # mean distance of confidence and truth, weighed by count


def report(judged: Sequence[Judged], answer_at: float, validation: Sequence[Judged] = ()) -> Report:
    """Return the figures; ``validation`` is where the 95 % are counted, if given."""
    known = [one for one in judged if one.asked.known]
    strange = [one for one in judged if not one.asked.known]
    answered = [one for one in judged if one.confidence >= answer_at]
    handed = [one for one in judged if one.confidence < answer_at]
    should = [one for one in judged if not one.right]
    kept = sorted(one.confidence for one in (validation or known) if one.asked.known)
    least = kept[int(len(kept) * (1 - KEPT))] if kept else 0.0
    bins = _bins(judged)
    return Report(
        known=len(known),
        strange=len(strange),
        accuracy=_share(one.right for one in known),
        in_five=_share(0 < one.rank <= 5 for one in known),
        coverage=_share(one.confidence >= answer_at for one in known),
        precision=_share(one.right for one in answered if one.asked.known),
        overall_precision=_share(one.right for one in answered),
        hand_over_precision=_share(not one.right for one in handed),
        hand_over_recall=_share(one.confidence < answer_at for one in should),
        strange_answered=_share(one.confidence >= answer_at for one in strange),
        caught=_share(one.confidence < least for one in strange),
        bins=bins,
        error=sum(one.count * abs(one.confidence - one.right) for one in bins) / max(len(judged), 1),
    )


def picture(found: Report, title: str) -> str:
    """Return the calibration as an SVG: how often right, by how sure."""
    inner_width, inner_height = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE

    def x(value: float) -> float:
        return EDGE + value * inner_width

    def y(value: float) -> float:
        return HEIGHT - EDGE - value * inner_height

    most = max((one.count for one in found.bins), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="#333">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{EDGE}" y="24" font-size="14">{escape(title)}</text>',
    ]
    parts += [
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e4e4e4"/>'
        f'<text x="{EDGE - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.0%}</text>'
        f'<text x="{x(tick):.1f}" y="{HEIGHT - EDGE + 16}" text-anchor="middle">{tick:.2f}</text>'
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    for one in found.bins:
        tall = 0.22 * inner_height * one.count / most
        left, width = x(one.low), inner_width / BINS - 2
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{HEIGHT - EDGE - tall:.1f}" width="{width:.1f}" '
            f'height="{tall:.1f}" fill="#cfdcd6"><title>{one.count} questions</title></rect>'
        )
    line = " ".join(f"{x(one.confidence):.1f},{y(one.right):.1f}" for one in found.bins)
    parts += [
        f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<polyline points="{line}" fill="none" stroke="#2f4a40" stroke-width="2"/>',
        *(
            f'<circle cx="{x(one.confidence):.1f}" cy="{y(one.right):.1f}" r="3.5" fill="#2f4a40"/>'
            for one in found.bins
        ),
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">confidence '
        f"(grey: how many questions; mean distance {found.error:.1%})</text>",
        f'<text transform="rotate(-90 14 {HEIGHT / 2})" x="14" y="{HEIGHT / 2}" text-anchor="middle">right</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bins(judged: Sequence[Judged]) -> tuple[Bin, ...]:
    found = []
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [one for one in judged if min(int(one.confidence * BINS), BINS - 1) == number]
        if inside:
            sure = sum(one.confidence for one in inside) / len(inside)
            found.append(Bin(low, high, len(inside), sure, _share(one.right for one in inside)))
    return tuple(found)


def _share(flags: Iterable[bool]) -> float:
    every = list(flags)
    return sum(every) / len(every) if every else 0.0
