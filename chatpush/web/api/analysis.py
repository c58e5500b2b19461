"""Judge a text before it is sent."""

from pydantic import BaseModel, Field

from chatpush.domain import Category, Role
from chatpush.notify.audience.users import checked_locale
from chatpush.recommend.analysis.advice import Advice, Adviser
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("analysis")


class TextIn(Body):
    """A message as its author wrote it."""

    title: str = Field("", max_length=500)
    body: str = Field("", max_length=4000)
    category: Category = Field(Category.TRANSACTIONAL, description="The label it is to be sent under.")
    channels: list[str] = Field(default_factory=list, max_length=20, description="For the length.")
    locale: str = Field("", max_length=35, description="The language it is to be in; default: what it is in.")
    words_in: str = Field("en", max_length=35, description="The language of the hints.")


class ClaimOut(BaseModel):
    """Words that are forbidden, and why: superlative, guaranteed_return or cure."""

    kind: str
    words: str


class HintOut(BaseModel):
    """Something to think about."""

    code: str
    text: str


class HourOut(BaseModel):
    """A local hour of weekdays and the chance that a message is opened soon then."""

    hour: int
    chance: float


class AnalysisOut(BaseModel):
    """What a text is and what to do about it."""

    category: str = Field(description="transactional, marketing, alert or conversation.")
    chances: dict[str, float] = Field(description="Of each category, by the embedded classifier.")
    treated_as: Category = Field(description="The category its policy is that of.")
    urgency: str = Field(description="low, normal or high.")
    sentiment: str = Field(description="negative, neutral or positive.")
    language: str
    claims: list[ClaimOut]
    hints: list[HintOut]
    best_hours: list[HourOut]
    subjects: list[str] = Field(description="Proposed by the language model, if there is one.")
    by_model: bool


@routes.post("/v1/analysis", door=Door(scope="templates:write", role=Role.VIEWER))
async def analyse(call: Call, body: TextIn) -> AnalysisOut:
    """Judge a text: what it is, forbidden claims, length, subject and hour."""
    locale = checked_locale(body.locale) if body.locale else ""
    advice = await call.need(Adviser).advise(
        call.identity.tenant, body.title, body.body, category=body.category, channels=body.channels,
        locale=locale, words_in=body.words_in,
    )  # fmt: skip
    return _out(advice)


def _out(advice: Advice) -> AnalysisOut:
    found = advice.analysis
    return AnalysisOut(
        category=found.category,
        chances=found.chances,
        treated_as=advice.treated_as,
        urgency=found.urgency,
        sentiment=found.sentiment,
        language=found.language,
        claims=[ClaimOut(kind=claim.kind, words=claim.words) for claim in found.claims],
        hints=[HintOut(code=hint.code, text=hint.text) for hint in advice.hints],
        best_hours=[HourOut(hour=hour, chance=chance) for hour, chance in advice.hours],
        subjects=list(advice.subjects),
        by_model=advice.by_model,
    )
