"""Talk to the assistant of a served chatpush as its users do."""

from typing import Any

from tests.serving import Served
from tests.waiting import until


async def opened(served: Served, user: str, about: dict[str, str] | None = None) -> str:
    """Open a conversation as a user and return its path."""
    body = {"about": about} if about else {}
    made = await served.told("POST", "/v1/me/conversations", body, user=user)
    return f"/v1/me/conversations/{made['id']}"


async def answer_to(served: Served, place: str, said: str, user: str) -> dict[str, Any]:
    """Say something and return the assistant's finished answer to it."""
    before = len((await served.told("GET", place, user=user))["turns"])
    await served.told("POST", f"{place}/turns", {"text": said}, user=user)

    async def finished() -> Any:
        turns = (await served.told("GET", place, user=user))["turns"][before:]
        return [one for one in turns if one["by"] == "assistant" and not one["streaming"]]

    found: dict[str, Any] = (await until(finished))[-1]
    return found
