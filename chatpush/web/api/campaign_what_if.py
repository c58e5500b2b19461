"""Ask what a campaign would have done, before it does it."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field, JsonValue, ValidationError

from chatpush.domain import Role, iso
from chatpush.errors import InvalidInput
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.what_if import MOST_USERS, Answer, Question, WhatIf
from chatpush.web.api.campaign_bodies import CampaignIn
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Instant, Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("campaigns")
READERS = Door(scope="campaigns:write", role=Role.EDITOR)


class WhatIfIn(Body):
    """What is to be changed, and which past it is to meet."""

    hours: float = Field(24, gt=0, le=31 * 24, description="How long the window is, if since is left out.")
    since: Instant | None = Field(None, description="Where the window begins.")
    until: Instant | None = Field(None, description="Where it ends; default: now.")
    policy: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Other settings of [notify]: marketing_cap, marketing_cap_hours, marketing_needs_consent,"
        " default_quiet_hours, caps.",
    )
    plugins: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict, description="Other settings of plugins, by name."
    )
    after: str = Field("", max_length=128, description="`next` of the page before.")
    users: int = Field(1000, ge=1, le=MOST_USERS, description="Users of this page.")


class StoredIn(WhatIfIn):
    """A stored campaign, changed."""

    changes: dict[str, JsonValue] = Field(
        default_factory=dict, description="Fields of the campaign in place of its own; null takes one away."
    )


class UnstoredIn(WhatIfIn):
    """A campaign that is not there yet."""

    campaign: CampaignIn


class ReplayedOut(BaseModel):
    """What would have become of the messages to this page's users."""

    messages: int
    sent: int
    replaced: int = Field(description="Of those sent: took the place of one on the screen (collapse_key).")
    waiting: int = Field(description="Deferred beyond the window's end.")
    suppressed: dict[str, int] = Field(
        description="Not sent, by reason; digested: went along with another; collapsed: the next was faster."
    )
    deferred: dict[str, int] = Field(description="Messages that waited at least once, by reason.")
    variants: dict[str, int]
    channels: dict[str, int] = Field(
        description="Messages by channel, as far as users have an address there."
    )


class FiltersOut(BaseModel):
    """The messages that were rendered and shown to the filters: the first ones that would have been sent."""

    rendered: int
    dropped: dict[str, int]
    broken: dict[str, int]


class CostOut(BaseModel):
    """The plan's price of these messages and what channels cost (notify.channel_prices)."""

    amount: str
    currency: str


class ReallyOut(BaseModel):
    """What the campaign really did to the same users in the window."""

    states: dict[str, int]
    suppressed: dict[str, int]


class ShownOut(BaseModel):
    """One message as it would have been."""

    user: str
    at: Moment
    title: str
    body: str


class WhatIfOut(BaseModel):
    """One page; counts of pages add up."""

    since: Moment
    until: Moment
    firings: int = Field(description="Of the clock within the window, or events of this page's users.")
    audience: int | None = Field(description="Users in all; null on later pages.")
    users: int
    next: str | None = Field(description="Where the next page begins; null: this was the last.")
    replayed: ReplayedOut
    filters: FiltersOut
    cost: CostOut
    really: ReallyOut
    samples: list[ShownOut]


@routes.post("/v1/campaigns/{id}/what-if", door=READERS)
async def what_if_campaign(call: Call, body: StoredIn) -> WhatIfOut:
    """Replay the past through a campaign as it would be changed; nothing is sent, nothing is written."""
    found = await call.need(Campaigns).get(call.identity.tenant, call.path["id"])
    spec = {**found.definition.spec, **body.changes}
    changed = {name: value for name, value in spec.items() if value is not None}
    try:
        checked = CampaignIn.model_validate_json(json.dumps(changed), strict=True).spec()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("changes", *first["loc"]))
        raise InvalidInput(f"{place}: {first['msg']}", param=place) from error
    return await _answer(call, body, checked, found.id)


@routes.post("/v1/campaigns/what-if", door=READERS)
async def what_if_unstored(call: Call, body: UnstoredIn) -> WhatIfOut:
    """Replay the past through a campaign that is not stored; nothing is sent, nothing is written."""
    return await _answer(call, body, body.campaign.spec(), "")


async def _answer(call: Call, body: WhatIfIn, spec: Mapping[str, Any], campaign: str) -> WhatIfOut:
    what_if = call.need(WhatIf)
    since, until = what_if.window(body.since, body.until, timedelta(hours=body.hours))
    question = Question(
        spec=spec,
        since=since,
        until=until,
        campaign=campaign,
        policy=body.policy,
        plugins=body.plugins,
        after=body.after,
        users=body.users,
    )
    return what_if_out(await what_if.of(call.identity.tenant, question))


def what_if_out(answer: Answer) -> WhatIfOut:
    """Return an answer as the API shows it."""
    tally = answer.tally
    return WhatIfOut(
        since=iso(answer.since),
        until=iso(answer.until),
        firings=answer.firings,
        audience=answer.audience,
        users=answer.users,
        next=answer.after,
        replayed=ReplayedOut(
            messages=tally.messages, sent=tally.sent, replaced=tally.replaced, waiting=tally.waiting,
            suppressed=tally.suppressed, deferred=tally.deferred, variants=tally.variants, channels=tally.channels,
        ),
        filters=FiltersOut(rendered=answer.rendered, dropped=answer.dropped, broken=answer.broken),
        cost=CostOut(amount=f"{answer.cost:.4f}", currency=answer.currency),
        really=ReallyOut(states=answer.really, suppressed=answer.really_suppressed),
        samples=[
            ShownOut(user=one.user, at=iso(one.at), title=one.title, body=one.body) for one in answer.samples
        ],
    )  # fmt: skip
