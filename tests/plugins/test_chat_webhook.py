"""Chat groups hear of a message, and an address in a record calls nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatpush.errors import Forbidden, InvalidInput, PluginFailed, Unavailable
from chatpush.plugins import samples
from chatpush.plugins.contracts import Channel
from tests.plugins.firstparty import load

MESSAGE = samples.message("Shipped", "Your lantern is on its way.")


class Chat:
    """A webhook that notes what it gets."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.answer = web.Response(text="ok")

    async def handle(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        answer, self.answer = self.answer, web.Response(text="ok")
        return answer


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Chat, Channel, str]]:
    chat = Chat()
    app = web.Application()
    app.router.add_post("/hook", chat.handle)
    async with TestServer(app) as server:
        origin = str(server.make_url("")).rstrip("/")
        (channel,) = load("chat_webhook", origins=[origin])[0].channels()
        yield chat, channel, f"{origin}/hook"


async def test_a_group_hears_title_and_body() -> None:
    async with opened() as (chat, channel, address):
        await channel.send(MESSAGE, address)
        assert chat.heard == [{"text": "Shipped\nYour lantern is on its way."}]


@pytest.mark.parametrize(
    ("address", "payload"),
    [
        ("https://open.feishu.cn/hook/x", {"msg_type": "text", "content": {"text": "Hi\nthere"}}),
        ("https://oapi.dingtalk.com/robot/send", {"msgtype": "text", "text": {"content": "Hi\nthere"}}),
        ("https://qyapi.weixin.qq.com/cgi-bin", {"msgtype": "text", "text": {"content": "Hi\nthere"}}),
        ("https://hooks.slack.com/services/x", {"text": "Hi\nthere"}),
    ],
)  # fmt: skip
def test_each_service_gets_its_own_shape(address: str, payload: dict[str, Any]) -> None:
    _, module = load("chat_webhook")
    assert module.payload(samples.message("Hi", "there"), address) == payload


def linked(title: str, **more: Any) -> Any:
    """Return a message that leads somewhere."""
    plain = samples.message(title, "*there*\nnow")
    return replace(plain, content=replace(plain.content, url="https://shop.example/7", **more))


def test_what_leads_somewhere_becomes_a_card() -> None:
    _, module = load("chat_webhook")
    message = linked("Hi", actions=({"id": "b", "label": "Buy", "url": "https://shop.example/buy"},))
    feishu = module.payload(message, "https://open.feishu.cn/hook/x")
    assert (feishu["msg_type"], feishu["card"]["header"]["title"]["content"]) == ("interactive", "Hi")
    assert [one["url"] for one in feishu["card"]["elements"][-1]["actions"]] == [
        "https://shop.example/7", "https://shop.example/buy",
    ]  # fmt: skip
    ding = module.payload(message, "https://oapi.dingtalk.com/robot/send")
    assert ding["msgtype"] == "actionCard"
    assert ding["actionCard"]["text"] == "### Hi\n\n\\*there\\*\n\nnow"
    assert [one["title"] for one in ding["actionCard"]["btns"]] == ["Open", "Buy"]
    wecom = module.payload(message, "https://qyapi.weixin.qq.com/cgi-bin")["template_card"]
    assert (wecom["card_type"], wecom["card_action"]["url"]) == ("text_notice", "https://shop.example/7")
    pictured = linked("Hi", image="https://shop.example/7.png")
    news = module.payload(pictured, "https://qyapi.weixin.qq.com/cgi-bin")["template_card"]
    assert (news["card_type"], news["card_image"]["url"]) == ("news_notice", "https://shop.example/7.png")


def test_links_that_are_none_make_no_buttons() -> None:
    _, module = load("chat_webhook")
    sly = linked("Hi", actions=({"id": "b", "label": "Buy", "url": "javascript:alert(1)"},))
    card = module.payload(sly, "https://open.feishu.cn/hook/x")["card"]
    assert len(card["elements"][-1]["actions"]) == 1


async def test_other_addresses_are_never_called() -> None:
    async with opened() as (chat, channel, address):
        inside = address.replace("127.0.0.1", "localhost")
        for other in (inside, "http://169.254.169.254/latest", "file:///etc/passwd", "", "hook",
                      address.replace("http://", "http://127.0.0.1@"), address.replace("http:", "https:")):  # fmt: skip
            with pytest.raises(Forbidden):
                await channel.send(MESSAGE, other)
        chat.answer = web.Response(status=302, headers={"Location": inside})
        with pytest.raises(InvalidInput):
            await channel.send(MESSAGE, address)
        assert len(chat.heard) == 1


async def test_busy_groups_are_tried_again_and_refusals_are_final() -> None:
    async with opened() as (chat, channel, address):
        for answer, error in (
            (web.Response(status=429), Unavailable), (web.Response(status=503), Unavailable),
            (web.Response(status=404), InvalidInput), (web.json_response({"code": 19001, "msg": "gone"}), InvalidInput),
            (web.json_response({"errcode": 310000, "errmsg": "no"}), InvalidInput),
        ):  # fmt: skip
            chat.answer = answer
            with pytest.raises(error):
                await channel.send(MESSAGE, address)
        for fine in ({"code": 0, "msg": "success"}, {"errcode": 0}, ["ok"]):
            chat.answer = web.json_response(fine)
            await channel.send(MESSAGE, address)
    with pytest.raises(Unavailable):
        await channel.send(MESSAGE, address)


@pytest.mark.parametrize(
    "origin", ["chat.example.com", "https://chat.example.com/hook", "ftp://chat.example.com", ""]
)
def test_an_origin_that_is_none_stops_the_start(origin: str) -> None:
    with pytest.raises(PluginFailed, match="scheme://host"):
        load("chat_webhook", origins=[origin])
