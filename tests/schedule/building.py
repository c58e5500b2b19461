"""Build recommend and schedule over notify, as the app wires them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chatpush import bridges
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.plugins.host import Plugins
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.copywriter import Copywriter
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.drafting import Drafting
from chatpush.schedule.dry_run import DryRuns
from chatpush.schedule.reactor import Reactor
from chatpush.schedule.results import CampaignResults
from chatpush.schedule.runs import Runs
from chatpush.schedule.triggered import EventCampaigns
from chatpush.schedule.what_if import WhatIf
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.notify.building import Room, build_room


@dataclass(slots=True)
class Office:
    """Notify, recommend and schedule together."""

    room: Room
    tenant: TenantId
    catalogue: Catalogue
    behaviour: Behaviour
    recommender: Recommender
    campaigns: Campaigns
    runs: Runs
    dry_runs: DryRuns
    results: CampaignResults
    what_if: WhatIf
    event_campaigns: EventCampaigns
    reactor: Reactor

    async def people(self, *names: str, **change: Any) -> None:
        """Introduce users."""
        for name in names:
            await self.room.users.put(self.tenant, UserId(name), UserChange(**change))

    async def template(self, name: str, body: str = "Hello {{ user.name }}", **more: str) -> None:
        """Put a template in English."""
        source = LocaleSource(title=more.pop("title", name), body=body, **more)  # type: ignore[arg-type]
        await self.room.templates.put(self.tenant, name, {"en": source})

    async def settle(self) -> None:
        """Carry all runs and deliveries through."""
        while await self.runs.turn() == 0:
            pass
        await self.room.settle()

    def got(self, user: str) -> list[Any]:
        """Return the messages a user's pages got."""
        return [data for data in self.room.publisher.to(user) if data["type"] == "message"]

    async def stop(self) -> None:
        await self.recommender.stop()
        await self.room.away.stop()
        await self.room.renderers.stop()


def build_office(
    database: Database, vault: Vault, clock: Clock, tenant: TenantId, *, page_size: int = 250, **more: Any
) -> Office:
    """Return the office; ``more`` goes to notify's room."""
    room = build_room(database, vault, clock, **more)
    catalogue = Catalogue(database, clock)
    behaviour = Behaviour(database, vault, clock)
    recommender = Recommender(
        database, catalogue, behaviour, Plugins(), clock, room.users.find, exploration=0.0
    )
    timing = Timing(database, room.users.get_many, clock)
    drafting = Drafting(room.users, recommender, timing, Copywriter())
    campaigns = Campaigns(database, vault, room.messages, clock)
    runs = Runs(
        database, vault, campaigns, room.audience, room.messages, room.templates, drafting, clock,
        page_size=page_size,
    )  # fmt: skip
    event_campaigns = EventCampaigns(campaigns, room.messages, drafting, catalogue, clock)
    reactor = Reactor(database, behaviour, [event_campaigns.on_event], clock)
    dry_runs = DryRuns(campaigns, room.audience, room.templates, drafting)
    results = CampaignResults(database, campaigns, clock)
    settings = Settings(plugins={"enabled": ["content_filter"]})
    what_if = WhatIf(
        database, vault, campaigns, room.messages, room.audience, room.users, room.templates, drafting, behaviour,
        penny_each, clock, bridges.rules_with(settings.notify), bridges.plugins_with(settings, clock),
        {"webpush": Decimal("0.10")},
    )  # fmt: skip
    return Office(
        room,
        tenant,
        catalogue,
        behaviour,
        recommender,
        campaigns,
        runs,
        dry_runs,
        results,
        what_if,
        event_campaigns,
        reactor,
    )


async def penny_each(_: TenantId, count: int) -> tuple[Decimal, str]:
    """Price messages at a hundredth."""
    return Decimal(count) / 100, "EUR"


def spec(**changes: Any) -> dict[str, Any]:
    """Return a good campaign: every morning at nine in London, to everyone."""
    good: dict[str, Any] = {
        "name": "Morning",
        "to": [{"all": True}],
        "template": "hello",
        "trigger": {"kind": "cron", "cron": "0 9 * * *", "timezone": "Europe/London"},
        "quiet_hours": "ignore",
    }
    return {**good, **changes}
