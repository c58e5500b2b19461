"""Say how likely the best text found answers the question.

A logistic rule over five features of a ranking, each independent of how many
texts there are, so the same thresholds hold for twenty articles and for ten
thousand. Fitted on "the first text is right" over StackFAQ (95 and 20 threads,
by question, by question and answer, by answer alone) and CLINC150's train and
validation parts (1,100 and 11,000 texts), with left-out threads and intents as
near strangers and out-of-scope queries as far ones; every set weighed alike.
"""

import math
from dataclasses import dataclass

from chatpush.support.retrieval_index import Ranking

BIAS = -2.672
COVERED = 1.256
MARGIN = 5.06
UNKNOWN = -0.814
STRENGTH = 4.383
SHORT = -1.549
ENOUGH_COVERAGE = 0.6
TELLING_COVERAGE = 0.35  # below it a lead over the next article says less and less
SHORT_UNITS = 2


@dataclass(frozen=True, slots=True)
class Features:
    """What the rule looks at."""

    coverage: float  # share of the question's weight the text speaks of
    margin: float  # how far it is ahead of the next article
    unknown: float  # share of the question no text speaks of
    strength: float  # score against the highest a text could reach
    units: int  # words or characters asked about


def features(ranking: Ranking) -> Features:
    """Return the features of a ranking that found something."""
    first = ranking.best[0]
    rival = next((s.score for s in ranking.best[1:] if s.document.article != first.document.article), 0.0)
    return Features(
        coverage=first.coverage,
        margin=(first.score - rival) / first.score,
        unknown=ranking.unknown,
        strength=first.score / max(ranking.ceiling, 1e-9),
        units=ranking.units,
    )


def confidence(ranking: Ranking) -> float:
    """Return the probability, 0 to 1, that the first text answers the question."""
    if not ranking.best:
        return 0.0
    seen = features(ranking)
    if seen.unknown == 0.0 and seen.coverage >= 0.999 and seen.units <= SHORT_UNITS:
        short = 0.0  # one word, wholly known: as good as a longer question
    else:
        short = SHORT if seen.units <= SHORT_UNITS else 0.0
    lead = seen.margin * min(1.0, seen.coverage / TELLING_COVERAGE)
    total = (
        BIAS
        + COVERED * min(seen.coverage, ENOUGH_COVERAGE)
        + MARGIN * lead
        + UNKNOWN * seen.unknown
        + STRENGTH * seen.strength
        + short
    )
    return 1.0 / (1.0 + math.exp(-total))
