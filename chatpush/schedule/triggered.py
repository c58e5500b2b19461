"""Turn an event into the messages of the campaigns it sets off, once each.

The message's idempotency key is the campaign and the event, so however often
the event is handled, its user is told once.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import Event, iso
from chatpush.errors import InvalidInput, KeyReused, NotFound
from chatpush.notify.messages.messages import Messages
from chatpush.recommend.catalogue import Catalogue, card
from chatpush.schedule.campaigns import Campaign, Campaigns
from chatpush.schedule.drafting import Drafting, draft
from chatpush.schedule.triggers import EventTrigger

log = structlog.get_logger(__name__)
STALE = timedelta(days=7)
"""An event this old is history, not news."""


class EventCampaigns:
    """Reacts to events with messages."""

    def __init__(
        self, campaigns: Campaigns, messages: Messages, drafting: Drafting, catalogue: Catalogue, clock: Clock
    ) -> None:
        self._campaigns = campaigns
        self._messages = messages
        self._drafting = drafting
        self._catalogue = catalogue
        self._clock = clock

    async def on_event(self, event: Event) -> None:
        """Send what the event sets off; history that is imported sets off nothing."""
        if event.at < self._clock.now() - STALE:
            return
        for campaign in await self._campaigns.for_event(event.tenant, event.type):
            trigger = campaign.definition.trigger
            if isinstance(trigger, EventTrigger) and matches(trigger.match, event.properties):
                await self._send(campaign, trigger, event)

    async def _send(self, campaign: Campaign, trigger: EventTrigger, event: Event) -> None:
        definition = campaign.definition
        addressed = await self._drafting.address(event.tenant, definition, [event.user])
        if not addressed:
            return
        data = await self._data(event)
        now = self._clock.now()
        send_at = event.at + trigger.delay if event.at + trigger.delay > now else None
        moments = await self._drafting.moments(
            event.tenant, definition, [addressed[0].user], max(send_at or now, now)
        )
        send_at = moments.get(event.user, send_at)
        message = draft(definition, campaign.id, addressed, data=data, send_at=send_at)
        try:
            await self._messages.accept(event.tenant, message, f"{campaign.id}:{event.id}")
        except KeyReused:
            log.info("event was told before", campaign=campaign.id, event_id=event.id)
        except InvalidInput as error:
            # Trying again would not help: a template or a channel that is gone.
            log.error("event campaign can't send", campaign=campaign.id, error=error.message)

    async def _data(self, event: Event) -> dict[str, Any]:
        """Return what the template sees: the event's properties by name, ``event``, and its ``item``."""
        data: dict[str, Any] = dict(event.properties)
        data["event"] = {"id": event.id, "type": event.type, "at": iso(event.at), "item": event.item}
        if event.item is not None:
            try:
                data["item"] = card(await self._catalogue.get(event.tenant, event.item))
            except NotFound:
                data.setdefault("item", {"id": event.item, "title": event.item})
        return data


def matches(wanted: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    """Return whether all wanted properties are there with these values."""
    return all(name in properties and properties[name] == value for name, value in wanted.items())
