"""Ask for picks: for a user, for nobody, or for oneself; and what to expect of a user."""

from datetime import datetime

from pydantic import BaseModel, Field

from chatpush.domain import ItemId, Role, User, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.audience.users import Users, checked_locale, checked_user
from chatpush.recommend.recommender import Picked, Recommender
from chatpush.recommend.timing.outlook import Outlook, Outlooks
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.words.copies import Compared, Copies
from chatpush.web.api.items import ItemOut, item_out
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations, Query

routes = Operations("recommendations")
READERS = Door(scope="recommend:read", role=Role.VIEWER)
MOST_CONTEXT = 20


class PicksQuery(Query):
    """How many, in which language."""

    limit: int = Field(10, ge=1, le=100)
    locale: str = Field("", max_length=35, description="Of the reasons; default: the user's own.")
    context: str = Field(
        "",
        max_length=2600,
        description="Ids of items the reader has before them, such as the product of the page or a visitor's"
        " last ones: at most 20, with commas between. They count as just looked at and are stored nowhere.",
    )

    def items(self) -> list[ItemId]:
        """Return the items of the context.

        Raises:
            InvalidInput: they are too many.
        """
        found = list(dict.fromkeys(ItemId(one.strip()) for one in self.context.split(",") if one.strip()))
        if len(found) > MOST_CONTEXT:
            raise InvalidInput(f"a context has at most {MOST_CONTEXT} items", param="context")
        return found


class UserPicksQuery(PicksQuery):
    """And for whom."""

    user: str = Field("", max_length=128, description="Empty: for nobody in particular.")


class ReasonOut(BaseModel):
    """Why: a stable code and words."""

    code: str
    text: str


class PickOut(BaseModel):
    """One pick."""

    item: ItemOut
    score: float
    reason: ReasonOut


class PicksOut(BaseModel):
    """Picks, best first; ``source`` is personal, popular or none."""

    picks: list[PickOut]
    source: str


class OutlookQuery(Query):
    """Of whom."""

    user: str = Field(min_length=1, max_length=128)


class BuyingOut(BaseModel):
    """A habit of buying."""

    every_days: float
    next_at: datetime
    churn: float = Field(description="Chance that the user is gone for good.")


class OutlookOut(BaseModel):
    """What to expect of a user."""

    opens: float = Field(description="Chance that the next message is opened at all.")
    best_at: datetime = Field(description="Best moment of the next 24 hours, outside quiet hours.")
    messages: float = Field(description="How many messages the chances stand on; old ones count less.")
    weekday: list[float] = Field(description="Chance of opening soon by local hour, 0 to 23.")
    weekend: list[float]
    buying: BuyingOut | None = Field(description="null: never bought anything.")
    spare: str = Field(description="`no_gain`: advertising does users of this kind no good; else empty.")


class GroupOut(BaseModel):
    """Users alike: what writing to them is worth, in purchases within a week."""

    opens: str = Field(description="How much of it they open: cool, mild or keen.")
    load: str = Field(description="How much they got in a week: few, several or many.")
    written: int
    written_bought: int
    held_out: int
    held_out_bought: int
    gain: float = Field(description="By how much writing raises the share of buyers; 95 % from low to high.")
    low: float
    high: float
    spared: bool = Field(
        description="Surely no better off: campaigns of category marketing leave them alone."
    )


class Gains(BaseModel):
    """What writing is worth by kind of user; empty until a campaign has a holdout."""

    data: list[GroupOut]


@routes.get("/v1/recommendations/outlook", door=READERS)
async def get_outlook(call: Call, query: OutlookQuery) -> OutlookOut:
    """Say whether and when a user opens messages, when they buy next, and whether they are leaving."""
    tenant, name = call.identity.tenant, checked_user(query.user)
    user = await call.need(Users).find(tenant, name) or User(tenant, name)
    return _outlook_out(await call.need(Outlooks).of(tenant, user))


@routes.get("/v1/recommendations/gains", door=READERS)
async def get_gains(call: Call) -> Gains:
    """Say what advertising is worth to which kind of user, by random hold-outs of campaigns."""
    groups = await call.need(Restraint).groups(call.identity.tenant)
    return Gains(
        data=[
            GroupOut(
                opens=one.kind[0], load=one.kind[1], written=one.written[0], written_bought=one.written[1],
                held_out=one.held_out[0], held_out_bought=one.held_out[1], gain=one.gain, low=one.low,
                high=one.high, spared=one.spared,
            )
            for one in groups
        ]
    )  # fmt: skip


class WordsOut(BaseModel):
    """One set of words tried for a cohort, its fields not filled."""

    id: str
    cohort: str = Field(description="Same slots, language, kind of item and reason.")
    locale: str
    arm: str = Field(description="template: the declared words, the control; written: by a model.")
    texts: dict[str, str]
    seen: int
    clicked: int
    click_rate: float
    p_value: float | None = Field(
        description="Chance of such a difference from the control if there were none."
    )


class WordsList(BaseModel):
    """Words by cohort, the control of each first."""

    data: list[WordsOut]


@routes.get("/v1/recommendations/words", door=READERS)
async def list_words(call: Call) -> WordsList:
    """Show which words were tried for picks, and how often each was seen and clicked."""
    found = await call.need(Copies).compared(call.identity.tenant)
    return WordsList(data=[_words_out(one) for one in found])


@routes.get("/v1/recommendations", door=READERS)
async def list_recommendations(call: Call, query: UserPicksQuery) -> PicksOut:
    """Pick items for a user, or for nobody in particular, each with its reason."""
    user = checked_user(query.user) if query.user else None
    return await _picks(call, user, query)


@routes.get("/v1/me/recommendations", door=Door(user=True))
async def list_my_recommendations(call: Call, query: PicksQuery) -> PicksOut:
    """Pick items for the signed-in user."""
    return await _picks(call, call.identity.user, query)


async def _picks(call: Call, user: UserId | None, query: PicksQuery) -> PicksOut:
    locale = checked_locale(query.locale) if query.locale else ""
    picked = await call.need(Recommender).picked(
        call.identity.tenant, user, query.limit, locale, query.items()
    )
    return _out(picked)


def _out(picked: Picked) -> PicksOut:
    picks = [
        PickOut(
            item=item_out(pick.item),
            score=pick.score,
            reason=ReasonOut(code=pick.reason.code, text=pick.reason.text),
        )
        for pick in picked.picks
    ]
    return PicksOut(picks=picks, source=picked.source)


def _outlook_out(found: Outlook) -> OutlookOut:
    buying = found.buying
    weekday, weekend = (
        [round(float(chance), 4) for chance in found.chances[kind]] for kind in range(len(found.chances))
    )
    return OutlookOut(
        opens=round(found.opens, 4),
        best_at=found.best_at,
        messages=round(found.messages, 1),
        weekday=weekday,
        weekend=weekend,
        buying=BuyingOut(every_days=buying.every.days, next_at=buying.next_at, churn=round(buying.churn, 4))
        if buying
        else None,
        spare=found.spare,
    )


def _words_out(found: Compared) -> WordsOut:
    copy = found.copy
    return WordsOut(
        id=copy.id, cohort=copy.cohort, locale=copy.locale, arm=copy.arm, texts=dict(copy.texts), seen=copy.seen,
        clicked=copy.clicked, click_rate=round(copy.rate, 5), p_value=found.p_value,
    )  # fmt: skip
