"""Let readers of letters end them without signing in: mail programs with one click, people on a page that asks.

One click ends the letters of that category; the page offers to end the category
on all channels as well.
"""

import base64
import html
from hashlib import sha256
from urllib.parse import parse_qs

from aiohttp import web
from pydantic import BaseModel, Field

from chatpush.channels.unsubscribing import Subscription, Unsubscribing
from chatpush.domain import language_of
from chatpush.errors import InvalidInput
from chatpush.notify.audience.consents import Evidence
from chatpush.settings import Settings
from chatpush.web.http.addresses import address_of
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations

routes = Operations("unsubscribing")
ANYONE = Door(anyone=True)
LARGEST_FORM = 1024
THIS, EVERYWHERE = "this", "everywhere"
STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh;"
    "color:#1c1d22;background:#f5f5f7}main{max-width:26rem;margin:1rem;padding:2rem;border-radius:18px;background:#fff}"
    "h1{margin:0 0 .5rem;font-size:1.4rem}form{display:grid;gap:.6rem}button{font:inherit;padding:.7rem 1rem;"
    "border:1px solid #767a85;border-radius:12px;background:#fff;color:inherit;cursor:pointer}"
    "button:first-of-type{background:#1c1d22;color:#fff}"
)
STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
WORDS = {
    "en": {
        "title": "Unsubscribe",
        "marketing": "offers and news",
        "alert": "alerts",
        "ask": "Do you want no more {what} by email?",
        "ask everywhere": "Do you want no more {what}?",
        "this": "No more by email",
        "everywhere": "No more by any channel",
        "ended": "You get no more {what} by email.",
        "ended everywhere": "You get no more {what}, by no channel.",
    },
    "zh": {
        "title": "退订",
        "marketing": "优惠与资讯",
        "alert": "提醒",
        "ask": "不再通过邮件接收{what}？",
        "ask everywhere": "不再接收{what}？",
        "this": "不再通过邮件接收",
        "everywhere": "所有渠道都不再接收",
        "ended": "您将不再通过邮件收到{what}。",
        "ended everywhere": "您将不再通过任何渠道收到{what}。",
    },
}


class Unsubscribed(BaseModel):
    """What is not sent any more."""

    unsubscribed: str = Field(description="The category.")
    channel: str | None = Field(description="By which channel; null: by any.")


@routes.get("/v1/unsubscribe/{token}", door=ANYONE, media="text/html")
async def ask_unsubscribe(call: Call) -> web.Response:
    """Show a page that asks; mail scanners that open links change nothing."""
    found = await call.need(Unsubscribing).read(call.path["token"])
    choices = [THIS, EVERYWHERE] if found.channel else [EVERYWHERE]
    return _page(call, found, "ask" if found.channel else "ask everywhere", choices)


@routes.post("/v1/unsubscribe/{token}", door=ANYONE)
async def unsubscribe(call: Call) -> Unsubscribed:
    """Withdraw the consent the link speaks of, with one click (RFC 8058): the category by email."""
    address = address_of(call.request, call.need(Settings))
    ended = await call.need(Unsubscribing).follow(call.path["token"], evidence=Evidence(address=address))
    return Unsubscribed(unsubscribed=ended.category, channel=ended.channel or None)


@routes.post(
    "/v1/unsubscribe/{token}/choice",
    door=ANYONE,
    takes="application/x-www-form-urlencoded",
    media="text/html",
)
async def choose_unsubscribe(call: Call) -> web.Response:
    """Withdraw what was chosen on the page, ``stop=this`` or ``stop=everywhere``, and show what has ended."""
    everywhere, unsubscribing = await _choice(call) == EVERYWHERE, call.need(Unsubscribing)
    found = await unsubscribing.read(call.path["token"])
    words = _words(found)[EVERYWHERE if everywhere or not found.channel else THIS]
    told = Evidence(words, address_of(call.request, call.need(Settings)))
    ended = await unsubscribing.follow(
        call.path["token"], everywhere=everywhere, via="unsubscribe page", evidence=told
    )
    return _page(
        call, ended, "ended" if ended.channel else "ended everywhere", [EVERYWHERE] if ended.channel else []
    )


async def _choice(call: Call) -> str:
    """Return which button was pressed."""
    if (call.request.content_length or LARGEST_FORM + 1) > LARGEST_FORM:
        raise InvalidInput("send a form with stop=this or stop=everywhere", param="stop")
    form = parse_qs((await call.request.read()).decode("ascii", "replace"))
    choice = form.get("stop", [""])[-1]
    if choice not in (THIS, EVERYWHERE):
        raise InvalidInput("stop is this or everywhere", param="stop")
    return choice


def _words(found: Subscription) -> dict[str, str]:
    return WORDS[language_of(found.user.locale)]


def _page(call: Call, found: Subscription, text: str, choices: list[str]) -> web.Response:
    words, answered = _words(found), call.request.path.endswith("/choice")
    # Relative, because a proxy may serve all this below a path of its own.
    action = "choice" if answered else html.escape(f"{call.path['token']}/choice")
    language = "zh-CN" if words is WORDS["zh"] else "en"
    said = words[text].format(what=words.get(found.category, found.category))
    buttons = "".join(f'<button name="stop" value="{one}">{words[one]}</button>' for one in choices)
    form = f'<form method="post" action="{action}">{buttons}</form>' if choices else ""
    return web.Response(
        text=f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{words["title"]}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<main><h1>{words['title']}</h1><p>{html.escape(said)}</p>{form}</main></html>",
        content_type="text/html",
        headers=HEADERS,
    )
