"""``/metrics`` tells what each hook of each plugin does, and whether it is cut off."""

import re
from pathlib import Path

from chatpush.domain import OutgoingMessage
from chatpush.plugins.contracts import Drop
from tests.plugins.parts import plugin
from tests.serving import Served, serving
from tests.waiting import until

LINE = re.compile(r'chatpush_plugin_(\w+)\{hook="filter_message",plugin="moody"\} (\S+)')


async def shown(served: Served) -> dict[str, float]:
    """Return the plugin's numbers by name."""
    page = await (await served.http.get(served.url + "/metrics")).text()
    return {name: float(value) for name, value in LINE.findall(page)}


async def send(served: Served, body: str) -> None:
    message = {"to": [{"user": "emma"}], "content": {"title": "Hello", "body": body}}
    await served.told("POST", "/v1/messages", message)


async def test_calls_failures_drops_and_breakers_are_shown_by_plugin_and_hook(tmp_path: Path) -> None:
    def filter_message(message: OutgoingMessage) -> Drop | None:
        if "boom" in message.content.body:
            raise ValueError(message.content.body)
        return Drop("not today") if "drop" in message.content.body else None

    async with serving(tmp_path, plugins={"moody": plugin(filter_message, inline=True)}) as served:
        assert await shown(served) == dict.fromkeys(
            ("calls_total", "failures_total", "drops_total", "seconds_total", "cuts_total", "cut_off"), 0
        )
        for body in ("fine", "drop", *["boom"] * 5):
            await send(served, body)

        async def cut_off() -> dict[str, float]:
            numbers = await shown(served)
            return numbers if numbers["cut_off"] else {}

        numbers = await until(cut_off)
        assert numbers.pop("seconds_total") > 0
        assert numbers == {
            "calls_total": 7, "failures_total": 5, "drops_total": 1, "cuts_total": 1, "cut_off": 1,
        }  # fmt: skip
