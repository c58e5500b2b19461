"""Take pictures of the widget on the mock server: `python -m tests.widget.shots FOLDER [NAME …]`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, FilePayload, Page, async_playwright

from tests.widget.mock import MockServer, now, token_for

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
ARGS += ["--disable-component-update", "--disable-sync"]

EN = {
    "shipped": (
        "Your parcel is on its way",
        "Order #1042 left our warehouse and arrives tomorrow between 9:00 and 13:00.",
    ),
    "paid": ("Payment received", "Thank you, Emma. We are packing order #1042."),
    "picks": ("Three to go with your enamel bowl", "Chosen from what people with your taste bought next."),
    "sale": ("Autumn market: 20% off lanterns", "Until Sunday, in the shop and online."),
    "cards": [
        ("Linen lantern", 24.0, "Often bought with your bowl"),
        ("Stoneware jug", 32.0, "Popular this week"),
        ("Oak serving board", 28.0, "You viewed similar boards"),
    ],
    "question": "Where is my order?",
    "answer": "Your order **#1042** left the warehouse this morning and is with the carrier.\n\n"
    "- **Now:** sorting centre, Reading\n- **Arrives:** tomorrow, 9:00–13:00\n\n"
    "Nobody needs to be at home; it fits through the letterbox.",
    "sources": ["Order #1042", "Delivery times and tracking"],
    "offer": "Shall I tell you when it arrives?",
    "yes": "Yes, tell me",
    "no": "No, thanks",
    "promised": "I'll keep an eye on it.",
    "promise": "I'll tell you when order #1042 is delivered.",
    "suggest": ["Where is my order?", "How do returns work?", "Do you ship to Ireland?"],
}
ZH = {
    "shipped": ("您的包裹已发出", "订单 #1042 已从仓库发出，预计明天 9:00–13:00 送达。"),
    "paid": ("付款成功", "谢谢，小雨。我们正在为您打包订单 #1042。"),
    "picks": ("与搪瓷碗很搭的三件好物", "根据和您品味相近的顾客的购买记录挑选。"),
    "sale": ("秋日市集：灯笼八折", "截至周日，门店与线上同享。"),
    "cards": [
        ("亚麻灯笼", 24.0, "常与您买的碗一起购买"),
        ("粗陶水壶", 32.0, "本周热销"),
        ("橡木餐板", 28.0, "您看过类似的商品"),
    ],
    "question": "我的快递到哪了？",
    "answer": "您的订单 **#1042** 今天上午已出库，正由承运商配送。\n\n"
    "- **当前位置：** 雷丁分拣中心\n- **预计送达：** 明天 9:00–13:00\n\n"
    "无需在家等候，包裹可以直接投入信箱。",
    "sources": ["订单 #1042", "配送时效与物流查询"],
    "offer": "需要我在送达时通知您吗？",
    "yes": "好的，通知我",
    "no": "不用了",
    "promised": "好的，我会一直留意。",
    "promise": "订单 #1042 送达时我会告诉您。",
    "suggest": ["我的快递到哪了？", "怎么退货？", "可以开发票吗？"],
}


def fill(server: MockServer, words: dict[str, Any]) -> None:
    """Give the server an inbox and a conversation worth looking at."""
    items = [
        {
            "id": str(n),
            "title": title,
            "price": price,
            "currency": "GBP",
            "image": f"/img/{n}.svg",
            "url": f"/?item={n}",
            "reason": reason,
        }
        for n, (title, price, reason) in enumerate(words["cards"], 1)
    ]
    for title, fields in (
        (
            "sale",
            {
                "category": "marketing",
                "format": "card",
                "image": "/img/lantern.svg",
                "url": "/",
                "at": now(60 * 26),
                "seen": True,
            },
        ),
        ("paid", {"url": "/?order=1042", "at": now(140), "seen": True}),
        (
            "picks",
            {"category": "marketing", "format": "recommendation", "data": {"items": items}, "at": now(34)},
        ),
        ("shipped", {"url": "/?order=1042", "at": now(4)}),
    ):
        server.inbox.insert(0, server.item(title=words[title][0], body=words[title][1], **fields))
    server.config["suggestions"] = words["suggest"]


def talk(server: MockServer, words: dict[str, Any]) -> None:
    """Let the conversation of the story have happened."""
    sources = [{"title": title, "url": "/help"} for title in words["sources"]]
    promise = {"id": "prm_1", "text": words["promise"], "until": now(-60 * 24 * 7)}
    server.conversation(
        turns=[
            server.turn("user", words["question"], at=now(6)),
            server.turn("assistant", words["answer"], sources=sources, at=now(6)),
            server.turn("assistant", words["offer"], at=now(6)),
            server.turn("user", words["yes"], at=now(5)),
            server.turn("assistant", words["promised"], promise=promise, at=now(5)),
        ]
    )
    server.promises = [promise]


async def picture(
    browser: Browser, folder: Path, name: str, server: MockServer, size: tuple[int, int], **boot: str
) -> Page:
    """Open the shop, let the caller's state load, and return the page."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2 if size[0] < 600 else 1,
        has_touch=size[0] < 600,
        color_scheme="light",
    )
    page = await context.new_page()
    query = "&".join(f"{key}={value}" for key, value in {"token": token_for("emma"), **boot}.items())
    await page.goto(f"{server.host}/?{query}")
    await page.locator("chatpush-widget .launcher").wait_for()
    await page.wait_for_timeout(700)
    return page


async def main(folder: Path, only: list[str]) -> None:
    """Take every picture, or only those named."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        desk, phone = (1180, 860), (390, 844)
        for name, words, size, boot, scene in (
            ("chat", EN, desk, {}, "chat"),
            ("inbox", EN, desk, {}, "inbox"),
            ("greeting", EN, desk, {}, "greeting"),
            ("offer", EN, desk, {}, "offer"),
            ("scrolled", EN, desk, {}, "scrolled"),
            ("history", EN, desk, {}, "history"),
            ("prefs", EN, desk, {}, "prefs"),
            ("toast", EN, desk, {}, "toast"),
            ("empty", EN, desk, {}, "empty"),
            ("chat-zh", ZH, desk, {"locale": "zh-CN"}, "chat"),
            ("inbox-zh", ZH, desk, {"locale": "zh-CN"}, "inbox"),
            ("chat-dark", EN, desk, {"theme": "dark"}, "chat"),
            ("inbox-dark", EN, desk, {"theme": "dark"}, "inbox"),
            ("prefs-dark", ZH, desk, {"theme": "dark", "locale": "zh-CN"}, "prefs"),
            ("chat-phone", EN, phone, {}, "chat"),
            ("inbox-phone", ZH, phone, {"locale": "zh-CN"}, "inbox"),
            ("agent", EN, desk, {"theme": "dark"}, "agent"),
            ("files", EN, desk, {}, "files"),
            ("files-zh", ZH, desk, {"locale": "zh-CN"}, "files"),
            ("rating", EN, desk, {}, "rating"),
            ("rating-phone", ZH, phone, {"locale": "zh-CN"}, "rating"),
            ("leave", EN, desk, {}, "leave"),
            ("prechat", EN, desk, {}, "prechat"),
            ("prechat-phone", ZH, phone, {"locale": "zh-CN"}, "prechat"),
            ("message", EN, desk, {}, "message"),
            ("message-phone", ZH, phone, {"locale": "zh-CN"}, "message"),
            ("shelf", EN, desk, {"theme": "dark"}, "shelf"),
            ("chat-ar", EN, desk, {"locale": "ar"}, "chat"),
            ("inbox-ar", EN, phone, {"locale": "ar"}, "inbox"),
        ):
            if only and name not in only:
                continue
            await shoot(browser, folder, name, words, size, boot, scene)
        await browser.close()


async def shoot(
    browser: Browser,
    folder: Path,
    name: str,
    words: dict[str, Any],
    size: tuple[int, int],
    boot: dict[str, str],
    scene: str,
) -> None:
    """Take one picture on a server of its own."""
    server = MockServer()
    runner = web.AppRunner(server.app(), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    if scene not in ("empty", "greeting"):
        fill(server, words)
    else:
        server.config["suggestions"] = words["suggest"]
    server.config["attachments"] = {
        "max_bytes": 5_000_000,
        "types": ["image/png", "text/plain"],
        "per_turn": 5,
    }
    if scene == "prechat":
        labels = {
            "email": ("Email", "邮箱"),
            "order": ("Order number", "订单号"),
            "words": ("How can we help?", "想咨询什么？"),
        }
        types = {"email": "email", "order": "text", "words": "textarea"}
        fields = [
            {"name": name, "type": types[name], "labels": dict(zip(("en", "zh-CN"), both, strict=True)),
             "required": name != "order", "options": []}
            for name, both in labels.items()
        ]  # fmt: skip
        server.config["prechat"] = {"whom": "everyone", "fields": fields}
    if scene in ("chat", "prefs", "agent", "files", "rating", "leave"):
        talk(server, words)
    page = await picture(browser, folder, name, server, size, **boot)
    await SCENES[scene](page, server, words)
    await page.wait_for_timeout(700)
    await page.screenshot(path=folder / f"{name}.png")
    await page.context.close()
    await runner.cleanup()


async def open_tab(page: Page, server: MockServer, words: dict[str, Any], tab: str = "inbox") -> None:
    """Open the panel on a tab."""
    await page.evaluate("tab => chatpush.open(tab)", tab)


async def open_chat(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """Open the chat."""
    await open_tab(page, server, words, "chat")


async def open_offer(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """Ask, get an answer streamed, and be offered a promise."""

    async def answer(cid: str, text: str) -> None:
        await server.say(
            cid,
            "assistant",
            words["answer"],
            sources=[{"title": title, "url": "/help"} for title in words["sources"]],
        )
        actions = [
            {"id": "yes", "label": words["yes"], "value": "yes"},
            {"id": "no", "label": words["no"], "value": "no"},
        ]
        cards = [
            {
                "id": "9",
                "title": words["cards"][0][0],
                "price": 24,
                "currency": "GBP",
                "image": "/img/1.svg",
                "url": "/",
                "reason": words["cards"][0][2],
            }
        ]
        await server.say(cid, "assistant", words["offer"], actions=actions, cards=cards)

    server.on_turn = answer
    await open_tab(page, server, words, "chat")
    await page.locator("chatpush-widget textarea").fill(words["question"])
    await page.keyboard.press("Enter")


async def open_agent(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """A person has taken over and is typing."""
    await open_chat(page, server, words)
    await page.wait_for_timeout(300)
    cid = next(iter(server.conversations))
    await server.publish(f"conversation:{cid}", {"type": "state", "state": "agent", "agent": "Mia"})
    await server.say(cid, "system", "Mia joined the conversation")
    await server.say(
        cid,
        "agent",
        "Hi Emma, Mia here. I've just asked the carrier to leave it with your neighbour at number 12.",
        name="Mia",
    )
    await server.publish(f"conversation:{cid}", {"type": "typing", "by": "agent"})


async def open_scrolled(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """The older half of the inbox."""
    await open_tab(page, server, words)
    await page.locator("chatpush-widget .item").last.scroll_into_view_if_needed()


async def open_history(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """The list of conversations, over a failed turn."""
    server.conversation(last="Can I change the address?", updated_at=now(60 * 30))
    server.conversation(last="Do you ship to Ireland?", updated_at=now(60 * 80), unread_turns=1)
    await open_chat(page, server, words)
    await page.wait_for_timeout(300)
    server.failing = {"/v1/me/conversations/"}
    await page.locator("chatpush-widget textarea").fill("And what about the other parcel?")
    await page.keyboard.press("Enter")
    await page.locator("chatpush-widget .not-sent").wait_for()
    await page.locator("chatpush-widget .history-button").click()


async def open_prefs(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """Open the preferences."""
    server.preferences["quiet_hours"] = {"start": "22:00", "end": "08:00"}
    await open_tab(page, server, words, "inbox")
    await page.locator("chatpush-widget .head .icon-button").first.click()


async def show_toast(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """A message arrives while the panel is closed."""
    await server.send("emma", title=words["shipped"][0], body=words["shipped"][1])


async def open_files(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """A picture was sent; two more files are about to be."""
    await open_chat(page, server, words)
    lantern = await page.screenshot(clip={"x": 70, "y": 190, "width": 240, "height": 240})
    photo: FilePayload = {"name": "lantern.png", "mimeType": "image/png", "buffer": lantern}
    note: FilePayload = {"name": "receipt.txt", "mimeType": "text/plain", "buffer": b"Order 1042"}
    chooser = page.locator("chatpush-widget input[type=file]")
    await chooser.set_input_files([photo])
    await page.locator("chatpush-widget .upload[data-state=done]").wait_for()
    await page.locator("chatpush-widget textarea").fill(
        "玻璃裂了。" if words is ZH else "The glass is cracked."
    )
    await page.keyboard.press("Enter")
    await page.locator("chatpush-widget .picture img").wait_for()
    await chooser.set_input_files([note])
    await page.locator("chatpush-widget .upload[data-state=done]").wait_for()
    server.stalled = asyncio.Event()
    await chooser.set_input_files([photo])


async def open_rating(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """The conversation has ended; four stars so far."""
    for made in server.conversations.values():
        made |= {"state": "closed", "may_rate": True}
    await open_chat(page, server, words)
    await page.locator("chatpush-widget .star input").nth(3).check()


async def open_leave(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """Nobody is there: leave a message."""
    for made in server.conversations.values():
        made |= {"state": "waiting", "office": {"open": False, "opens_at": "2030-01-07T09:00:00Z"}}
    await open_chat(page, server, words)
    await page.locator("chatpush-widget .person").click()
    await page.locator("chatpush-widget .pane .form").wait_for()


async def open_prechat(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """A form before the first word."""
    await open_chat(page, server, words)
    await page.locator("chatpush-widget .prechat").wait_for()


async def open_message(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """Why a message came, and how to put it away."""
    await open_tab(page, server, words)
    await page.locator("chatpush-widget .item-options").nth(1).click()


async def open_shelf(page: Page, server: MockServer, words: dict[str, Any]) -> None:
    """What was put away."""
    for item, shelf in zip(server.inbox, ("snoozed", "archived", "archived"), strict=False):
        item |= {"shelf": shelf, "snoozed_until": now(-60 * 20) if shelf == "snoozed" else None}
    await open_tab(page, server, words)
    await page.locator("chatpush-widget .shelf-button").click()


SCENES = {
    "files": open_files,
    "rating": open_rating,
    "leave": open_leave,
    "prechat": open_prechat,
    "message": open_message,
    "shelf": open_shelf,
    "chat": open_chat,
    "scrolled": open_scrolled,
    "history": open_history,
    "inbox": open_tab,
    "empty": open_tab,
    "greeting": open_chat,
    "offer": open_offer,
    "agent": open_agent,
    "prefs": open_prefs,
    "toast": show_toast,
}

if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "shots")
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target, sys.argv[2:]))
