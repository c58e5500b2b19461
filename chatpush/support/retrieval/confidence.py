"""Say how likely the best text found answers the question.

A logistic rule over features of a ranking, each independent of how many texts
there are, so the same thresholds hold for twenty articles and for ten
thousand. Fitted on "the first text is right" over a shop's questions in
English and Chinese, StackFAQ, and CLINC150's and Banking77's training parts;
in every set texts were left out so that the rule met near strangers as well
as far ones, and every set weighed alike (``docs/support-quality.md``). Chinese, whose units are
characters, and rankings by vectors have rules of their own.
"""

import math
from dataclasses import dataclass

from chatpush.support.retrieval.retrieval_index import Ranking

BIAS = -2.17
COVERED = 1.08
AGREEING = 2.24
LEAD = 3.93
UNKNOWN = -0.79
SHORT = -1.17
TELLING_COVERAGE = 0.6  # below it a lead over the next article says less and less
SHORT_UNITS = 2
WHOLE = 0.999
# Fitted on half of a broker's customers' questions, with and without a quarter of the answers, and on the project's
# own: among many answers with the same characters it is the lead that tells; coverage told nothing beside it.
HAN = "zh"
HAN_BIAS = -1.9
HAN_AGREEING = 0.82
HAN_LEAD = 5.16
HAN_UNKNOWN = -0.4
# Fitted on StackFAQ with articles taken out. It looks at standard deviations, not at cosines, so that it holds for
# whichever model makes them; its bias makes 0.55 mean that nine of ten are right, strangers included.
NEAR_BIAS = -3.535
NEAR_ABOVE = 0.347
NEAR_LEAD = 1.19
NEAR_COVERED = 1.757
NEAR_AGREEING = 2.684


@dataclass(frozen=True, slots=True)
class Features:
    """What the rule looks at."""

    coverage: float  # share of the question's weight the text speaks of
    agreement: float  # how far question and heading say the same
    margin: float  # how far it is ahead of the next article
    unknown: float  # share of the question no text speaks of
    units: int  # words or characters asked about

    @property
    def lead(self) -> float:
        """How far it is ahead, as far as its coverage makes that telling."""
        return self.margin * min(1.0, self.coverage / TELLING_COVERAGE)


def features(ranking: Ranking) -> Features:
    """Return the features of a ranking that found something."""
    first = ranking.best[0]
    rival = next((s.score for s in ranking.best[1:] if s.document.article != first.document.article), 0.0)
    return Features(
        coverage=first.coverage,
        agreement=first.agreement,
        margin=(first.score - rival) / first.score,
        unknown=ranking.unknown,
        units=ranking.units,
    )


def confidence(ranking: Ranking) -> float:
    """Return the probability, 0 to 1, that the first text answers the question."""
    if not ranking.best:
        return 0.0
    if ranking.nearness is not None:
        return _of_nearness(ranking, *ranking.nearness)
    seen = features(ranking)
    if ranking.best[0].document.language == HAN:
        return _of_han(seen)
    # One word, wholly known, is as good as a longer question.
    whole = seen.unknown == 0.0 and seen.coverage >= WHOLE
    short = SHORT if seen.units <= SHORT_UNITS and not whole else 0.0
    total = (
        BIAS
        + COVERED * seen.coverage
        + AGREEING * seen.agreement
        + LEAD * seen.lead
        + UNKNOWN * seen.unknown
        + short
    )
    return 1.0 / (1.0 + math.exp(-total))


def _of_han(seen: Features) -> float:
    """Return the probability for a Chinese text."""
    total = HAN_BIAS + HAN_AGREEING * seen.agreement + HAN_LEAD * seen.lead + HAN_UNKNOWN * seen.unknown
    return 1.0 / (1.0 + math.exp(-total))


def _of_nearness(ranking: Ranking, above: float, lead: float) -> float:
    """Return the probability for a ranking by vectors."""
    first = ranking.best[0]
    total = (
        NEAR_BIAS
        + NEAR_ABOVE * above
        + NEAR_LEAD * lead
        + NEAR_COVERED * first.coverage
        + NEAR_AGREEING * first.agreement
    )
    return 1.0 / (1.0 + math.exp(-total))
