"""Every noun of the REST API."""

from chatpush.web.api import (
    browser,
    campaigns,
    conversations,
    events,
    items,
    keys,
    knowledge,
    messages,
    my_conversations,
    recommendations,
    usage,
)
from chatpush.web.operations import Operations

ALL: list[Operations] = [
    messages.routes,
    events.routes,
    items.routes,
    recommendations.routes,
    campaigns.routes,
    conversations.routes,
    knowledge.routes,
    keys.routes,
    usage.routes,
    browser.routes,
    my_conversations.routes,
]
