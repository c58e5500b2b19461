"""Say whether a user is connected right now."""

from chatpush.domain import UserId
from chatpush.realtime.hub import Hub
from chatpush.web.console.pages import Visit


def is_online(visit: Visit, user: UserId) -> bool:
    """Return whether any page of this user is connected to this node."""
    hub = visit.find(Hub)
    return hub is not None and hub.is_online(visit.tenant, user)
