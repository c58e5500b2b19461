"""Ask plugins for the users of an audience, page by page, and believe only what keeps the contract.

A page holds at most as many users as were asked for, in the order of their
ids, all beyond the one that was named; fewer mean that this was the last.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from chatpush.domain import TenantId, UserId
from chatpush.errors import ChatpushError, InvalidInput, PluginFailed, Unavailable
from chatpush.notify.audience.users import USER_ID
from chatpush.plugins.contracts import Audience

PAGE_SECONDS = 10.0


class DynamicAudiences:
    """The audiences that plugins registered."""

    def __init__(self, offered: Iterable[Audience] = ()) -> None:
        self._offered = {one.name: one for one in offered}

    async def check(self, tenant: TenantId, name: str, arguments: Mapping[str, Any]) -> None:
        """Ask for one user, which shows whether the arguments can be used.

        Raises:
            InvalidInput: there is no such audience, or it does not take these arguments.
            Unavailable, PluginFailed: it can't be asked now.
        """
        if name not in self._offered:
            known = ", ".join(sorted(self._offered)) or "no plugin brings one"
            raise InvalidInput(f"no audience {name[:64]!r}; {known}", param="to.audience")
        await self.page(tenant, name, arguments, UserId(""), 1)

    async def page(
        self, tenant: TenantId, name: str, arguments: Mapping[str, Any], after: UserId, limit: int
    ) -> list[UserId]:
        """Return the next users, at most ``limit``.

        Raises:
            InvalidInput: the audience is gone, or does not take these arguments.
            Unavailable: it did not answer in time.
            PluginFailed: it broke the contract.
        """
        offered = self._offered.get(name)
        if offered is None:
            raise InvalidInput(f"no audience {name[:64]!r} any more", param="to.audience")
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                users = await offered.page(tenant, dict(arguments), after, limit)
        except TimeoutError as error:
            raise Unavailable(f"audience {name} took over {PAGE_SECONDS:g} s") from error
        except ChatpushError:
            raise
        # An audience is a plugin: whatever else it raises is its own failure.
        except Exception as error:
            raise PluginFailed(f"audience {name}: {type(error).__name__}: {error}") from error
        if problem := _problem(users, after, limit):
            raise PluginFailed(f"audience {name} {problem}")
        return [UserId(user) for user in users]


def _problem(users: Any, after: UserId, limit: int) -> str:
    """Return what is wrong with a page, or nothing."""
    if not isinstance(users, list) or not all(
        isinstance(one, str) and USER_ID.fullmatch(one) for one in users
    ):
        return "returned something other than a list of user ids"
    if len(users) > limit:
        return f"returned {len(users)} users; {limit} were asked for"
    if any(one <= before for before, one in zip([after, *users], users, strict=False)):
        return "returned users out of order, twice, or not beyond the one named"
    return ""
