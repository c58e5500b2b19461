"""Every noun of the REST API."""

from chatpush.web.api import (
    browser,
    campaigns,
    conversations,
    deliveries,
    events,
    inbox,
    items,
    keys,
    knowledge,
    messages,
    my_conversations,
    preferences,
    recommendations,
    segments,
    templates,
    topics,
    usage,
    users,
)
from chatpush.web.operations import Operations

ALL: list[Operations] = [
    messages.routes,
    deliveries.routes,
    users.routes,
    topics.routes,
    segments.routes,
    templates.routes,
    events.routes,
    items.routes,
    recommendations.routes,
    campaigns.routes,
    conversations.routes,
    knowledge.routes,
    keys.routes,
    usage.routes,
    browser.routes,
    inbox.routes,
    preferences.routes,
    my_conversations.routes,
]
