"""Say who a user is and whether they are connected right now."""

from chatpush.domain import VISITOR_PREFIX, User, UserId
from chatpush.notify.audience.users import Users
from chatpush.realtime.hub import Hub
from chatpush.web.console.pages import Visit


def is_online(visit: Visit, user: UserId) -> bool:
    """Return whether any page of this user is connected to this node."""
    hub = visit.find(Hub)
    return hub is not None and hub.is_online(visit.tenant, user)


async def names_of(visit: Visit, users: list[UserId]) -> dict[UserId, str]:
    """Return what to call each of these users: their name, else their id in short."""
    known = await visit.need(Users).get_many(visit.tenant, set(users))
    return {user: name_of(user, known.get(user)) for user in users}


def name_of(user: UserId, known: User | None) -> str:
    """Return what to call a user."""
    if known is not None and known.name:
        return known.name
    if user.startswith(VISITOR_PREFIX):
        return f"Visitor {user.removeprefix(VISITOR_PREFIX)[-5:]}"
    return user
