"""What the pages about a campaign's effect show: what it achieved, and what it would have done."""

from dataclasses import dataclass, field

from chatpush.web.console.models.sending import DrySample, FunnelStep


@dataclass(frozen=True, slots=True)
class VariantLine:
    """One variant; rates in percent, ``chance`` the smaller p-value as text."""

    name: str
    users: int
    sent: int
    clicked: int
    click_rate: float
    converted: int
    conversion_rate: float
    chance: str = ""
    significant: bool = False


@dataclass(frozen=True, slots=True)
class Achieved:
    """What a campaign achieved; ``lift`` is "" without a holdout."""

    funnel: tuple[FunnelStep, ...]
    variants: tuple[VariantLine, ...] = ()
    held: int = 0
    lift: str = ""
    lift_chance: str = ""
    suppressed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class WhatIfForm:
    """What a question about the past may change."""

    id: str
    name: str
    templates: tuple[str, ...]
    typed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """What would have been, beside what was; ``reasons`` are (reason, would have been, really)."""

    firings: int = 0
    users: int = 0
    audience: int = 0
    messages: int = 0
    sent: int = 0
    replaced: int = 0
    really_sent: int = 0
    waiting: int = 0
    cost: str = ""
    reasons: tuple[tuple[str, int, int], ...] = ()
    deferred: tuple[tuple[str, int], ...] = ()
    rendered: int = 0
    refused: tuple[tuple[str, int], ...] = ()
    samples: tuple[DrySample, ...] = ()
    problem: str = ""
