"""Ask for picks: for a user, for nobody, or for oneself."""

from pydantic import BaseModel, Field

from chatpush.domain import Role, UserId
from chatpush.notify.users import checked_locale, checked_user
from chatpush.recommend.recommender import Picked, Recommender
from chatpush.web.api.items import ItemOut, item_out
from chatpush.web.doors import Door
from chatpush.web.operations import Call, Operations, Query

routes = Operations("recommendations")


class PicksQuery(Query):
    """How many, in which language."""

    limit: int = Field(10, ge=1, le=100)
    locale: str = Field("", max_length=35, description="Of the reasons; default: the user's own.")


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


@routes.get("/v1/recommendations", door=Door(scope="recommend:read", role=Role.VIEWER))
async def recommend(call: Call, query: UserPicksQuery) -> PicksOut:
    """Pick items for a user, or for nobody in particular, each with its reason."""
    user = checked_user(query.user) if query.user else None
    return await _picks(call, user, query)


@routes.get("/v1/me/recommendations", door=Door(user=True))
async def recommend_me(call: Call, query: PicksQuery) -> PicksOut:
    """Pick items for the signed-in user."""
    return await _picks(call, call.identity.user, query)


async def _picks(call: Call, user: UserId | None, query: PicksQuery) -> PicksOut:
    locale = checked_locale(query.locale) if query.locale else ""
    return _out(await call.need(Recommender).picked(call.identity.tenant, user, query.limit, locale))


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
