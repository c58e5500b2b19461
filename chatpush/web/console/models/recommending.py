"""What the pages about the recommender show."""

from dataclasses import dataclass
from datetime import datetime

from chatpush.recommend.analysis.advice import Advice
from chatpush.web.console.models.administration import Recommendations


@dataclass(frozen=True, slots=True)
class WeightLine:
    """A ranker with its own weight and the one supposed."""

    name: str
    own: float
    supposed: float


@dataclass(frozen=True, slots=True)
class HourBar:
    """An hour of the day: the chance of an opening, in percent, and its place in the picture."""

    hour: int
    chance: float
    x: float
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class OutlookCard:
    """What to expect of a user; shares in percent."""

    opens: float
    best_at: datetime
    messages: float
    weekday: tuple[HourBar, ...]
    weekend: tuple[HourBar, ...]
    next_purchase_at: datetime | None
    churn: float
    spare: str


@dataclass(frozen=True, slots=True)
class UserPage:
    """Picks for one user, what to expect of them, and what is supposed."""

    shown: Recommendations
    weights: tuple[WeightLine, ...]
    exclude: str
    as_of: str
    supposing: bool
    problem: str = ""
    outlook: OutlookCard | None = None


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One training; ``passed_over``: it is to serve, but its file can't be read."""

    id: str
    serving: bool
    passed_over: bool
    method: str
    events: int
    seconds: float
    recall: float
    ndcg: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines of a chart, as SVG points, and the labels of its top and middle."""

    recall: str
    ndcg: str
    dots: tuple[tuple[float, float, float, str], ...]
    top: str
    middle: str


@dataclass(frozen=True, slots=True)
class GainLine:
    """What writing is worth to users of one kind; shares in percent."""

    opens: str
    load: str
    written: int
    held: int
    gain: float
    low: float
    high: float
    spared: bool


@dataclass(frozen=True, slots=True)
class WordsLine:
    """One set of words tried."""

    arm: str
    locale: str
    text: str
    seen: int
    clicked: int
    rate: float
    p_value: float | None


@dataclass(frozen=True, slots=True)
class CalibrationDot:
    """Messages of about the same chance: where they stand in the picture, and percentages of what was said and came."""

    x: float
    y: float
    said: float
    opened: float
    messages: int


@dataclass(frozen=True, slots=True)
class QualityPage:
    """How good the recommender is, training by training."""

    models: tuple[ModelLine, ...]
    picture: Picture | None
    gains: tuple[GainLine, ...]
    words: tuple[WordsLine, ...]
    calibration: tuple[CalibrationDot, ...] = ()


@dataclass(frozen=True, slots=True)
class StepBar:
    """One step of a funnel; ``share`` in percent of all users."""

    key: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class VariantLine:
    """One variant of a campaign; rates in percent."""

    name: str
    users: int
    clicked: int
    click_rate: float
    converted: int
    conversion_rate: float
    p_value: float | None
    significant: bool


@dataclass(frozen=True, slots=True)
class ResultCard:
    """What one campaign achieved; ``lift`` in percent of those held out."""

    id: str
    name: str
    steps: tuple[StepBar, ...]
    variants: tuple[VariantLine, ...]
    held: int = 0
    lift: float | None = None
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    significant: bool = False


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """What campaigns achieved within a window after their messages."""

    hours: int
    windows: tuple[int, ...]
    campaigns: tuple[ResultCard, ...]


@dataclass(frozen=True, slots=True)
class AdvisedText:
    """One text of a campaign with its advice; ``problem`` says why it could not be written."""

    name: str
    locale: str
    title: str = ""
    advice: Advice | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CampaignAdvice:
    """Advice on a campaign: its texts, the hours most opened by anybody, and whether each reader gets their own."""

    campaign: str
    texts: tuple[AdvisedText, ...]
    hours: tuple[tuple[int, float], ...]
    own_hour: bool
    may_ask: bool
