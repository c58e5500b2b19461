"""Write a campaign's message for users: their picks, their words, their hour.

Used by runs, by event campaigns and by the dry run alike, so that what is
previewed is what is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from chatpush.domain import DEFAULT_LOCALE, CampaignId, Category, Pick, TenantId, User, UserId
from chatpush.notify.audience.users import Users
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.recommend.catalogue import card
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.copywriter import Copywriter
from chatpush.schedule.definition import Definition
from chatpush.schedule.moments import at_wall


@dataclass(frozen=True, slots=True)
class Addressed:
    """One user's own part of a message."""

    user: User
    data: Mapping[str, Any]


class Drafting:
    """Turns a definition and users into drafts."""

    def __init__(
        self, users: Users, recommender: Recommender, timing: Timing, copywriter: Copywriter,
        restraint: Restraint | None = None,
    ) -> None:  # fmt: skip
        self._users = users
        self._recommender = recommender
        self._timing = timing
        self._copywriter = copywriter
        self._restraint = restraint

    async def address(
        self, tenant: TenantId, definition: Definition, users: Sequence[UserId], *, noted: bool = True
    ) -> list[Addressed]:
        """Return each user's data.

        No message gets who has no pick of a recommending campaign, and whom advertising does no good.
        ``noted``: the recommender remembers what was shown.
        """
        if self._restraint is not None and definition.category is Category.MARKETING:
            spared = await self._restraint.spared(tenant, users)
            users = [user for user in users if user not in spared]
        known = await self._users.get_many(tenant, users)
        people = [known.get(name) or User(tenant, name) for name in users]
        own = {one.user: one.data for one in definition.to if one.user is not None}
        if not definition.picks:
            texts = [await self._words(tenant, definition, person, []) for person in people]
            return [
                Addressed(person, {**own.get(person.id, {}), **words})
                for person, words in zip(people, texts, strict=True)
            ]
        picks = await self._recommender.pick_many(
            tenant, users, definition.picks, definition.locale or "", definition.picks_kind, noted=noted
        )
        addressed = []
        for person in people:
            if found := picks[person.id]:
                words = await self._words(tenant, definition, person, found)
                addressed.append(Addressed(person, {**own.get(person.id, {}), **words, **pick_data(found)}))
        return addressed

    async def moments(
        self, tenant: TenantId, definition: Definition, people: Sequence[User], after: datetime
    ) -> Mapping[UserId, datetime]:
        """Return when each user is to get it, ``after`` at the earliest; empty: as soon as it is there."""
        if definition.best_hour:
            return await self._timing.best_many(tenant, people, after)
        if definition.send_at is not None:
            return at_wall(people, definition.send_at, definition.zone, after)
        return {}

    async def _words(
        self, tenant: TenantId, definition: Definition, person: User, picks: Sequence[Pick]
    ) -> dict[str, Any]:
        if not definition.slots:
            return {}
        locale = definition.locale or person.locale or DEFAULT_LOCALE
        return await self._copywriter.write(
            tenant, definition.slots, picks, locale, user=person.id, channels=definition.channels
        )


def pick_data(picks: Sequence[Pick]) -> dict[str, Any]:
    """Return picks as templates and browsers see them: ``items``, and the first as ``item``.

    ``picks`` stays with us, for whoever asks why.
    """
    cards = [{**card(pick.item), "reason": pick.reason.text} for pick in picks]
    kept = [
        {"item": pick.item.id, "score": round(pick.score, 4), "reason": pick.reason.code} for pick in picks
    ]
    return {"items": cards, "item": cards[0], "picks": kept}


def draft(
    definition: Definition,
    campaign: CampaignId,
    addressed: Sequence[Addressed],
    *,
    data: Mapping[str, Any] | None = None,
    send_at: datetime | None = None,
    moments: Mapping[UserId, datetime] = MappingProxyType({}),
    cancel_key: str = "",
) -> MessageDraft:
    """Return the message to these users, each at their moment if they have one."""
    return MessageDraft(
        to=tuple(
            Recipient(user=one.user.id, data=dict(one.data), send_at=moments.get(one.user.id))
            for one in addressed
        ),
        template=definition.template,
        content=definition.content,
        data={**definition.data, **(data or {})},
        locale=definition.locale,
        channels=definition.channels,
        category=definition.category,
        priority=definition.priority,
        ttl_seconds=definition.ttl_seconds,
        collapse_key=definition.collapse_key,
        cancel_key=cancel_key,
        send_at=send_at,
        quiet_hours=definition.quiet_hours,
        campaign=campaign,
        escalate_after=definition.escalate_after,
        score=definition.score,
        variants=definition.variants,
        holdout=definition.holdout,
        digest=definition.digest,
        silent=definition.silent,
        badge=definition.badge,
        display_seconds=definition.display_seconds,
        tags=definition.tags,
    )
