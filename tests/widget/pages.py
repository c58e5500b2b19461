"""The pages the widget is tried on: a bare one under a strict content policy, and one that looks like a shop."""

from __future__ import annotations

import hashlib
import json

from aiohttp import web

NONCE = "bGV0LW1lLWlu"
POLICY = (
    "default-src 'none'; script-src {scripts}; connect-src 'self' http: ws:; "
    f"img-src 'self' blob:; worker-src 'self'; style-src 'nonce-{NONCE}'"
)
# What the page lets run: by host, or by nonce alone, with which every script of ours must come.
SCRIPTS = {
    "": f"'self' 'nonce-{NONCE}'",
    "nonce": f"'nonce-{NONCE}'",
    "strict": f"'nonce-{NONCE}' 'strict-dynamic'",
}

NAMES = [
    "ready", "opened", "closed", "message", "unread", "turn", "connection", "error", "click", "command", "rated",
]  # fmt: skip

PLAIN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>plain</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style nonce="{nonce}">body {{ font: 16px serif; }} button {{ color: red !important; }}</style></head><body>
<h1>A page</h1><button id="before">before</button>
<script nonce="{nonce}">
window.chatpush = window.chatpush || function () {{ (chatpush.q = chatpush.q || []).push(arguments) }};
window.heard = [];
for (const name of {names})
  chatpush('on', name, (value) => heard.push([name, value && value.count !== undefined ? value.count : value]));
{boot}
</script>
<script src="{host}/widget.js" nonce="{nonce}" {attributes} async></script>
</body></html>"""

SHOP = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>Harbour &amp; Co.</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ margin: 0; font: 16px/1.5 "Helvetica Neue", Arial, "Noto Sans CJK SC", sans-serif; }}
body {{ color: #22252e; background: {bg}; }}
header {{ display: flex; align-items: center; gap: 32px; padding: 20px 6vw; background: {card}; color: {ink}; }}
header b {{ font-size: 20px; letter-spacing: -.01em; }} header span {{ color: #80859a; font-size: 14px; }}
main {{ padding: 36px 6vw; }} h1 {{ font-size: 30px; letter-spacing: -.02em; margin: 0 0 22px; color: {ink}; }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 22px; }}
.p {{ background: {card}; border-radius: 14px; overflow: hidden; color: {ink}; }}
.p img {{ width: 100%; display: block; }}
.p div {{ padding: 12px 14px 16px; font-size: 14px; }} .p b {{ display: block; }}
</style></head><body>
<header><b>Harbour &amp; Co.</b><span>New</span><span>Kitchen</span><span>Living</span><span>Gifts</span></header>
<main><h1>{heading}</h1><div class="grid">{products}</div></main>
<script>
window.chatpush = window.chatpush || function () {{ (chatpush.q = chatpush.q || []).push(arguments) }};
chatpush('boot', {boot});
</script><script src="/widget.js" async></script></body></html>"""

PRODUCTS = [
    ("Enamel breakfast bowl", "12.50"),
    ("Linen lantern", "24.00"),
    ("Stoneware jug", "32.00"),
    ("Oak serving board", "28.00"),
    ("Woven picnic basket", "46.00"),
    ("Candle, fig leaf", "18.00"),
    ("Wool throw", "64.00"),
    ("Paper garland", "9.50"),
]


def plain_page(request: web.Request) -> web.Response:
    """Serve the bare page. `boot` (JSON), `host` and `attributes` of the query say how it loads the widget."""
    boot = request.query.get("boot", "")
    call = f"chatpush('boot', {json.dumps(json.loads(boot))});" if boot else ""
    text = PLAIN.format(
        nonce=NONCE,
        names=json.dumps(NAMES),
        boot=call,
        host=request.query.get("host", ""),
        attributes=request.query.get("attributes", ""),
    )
    policy = POLICY.format(scripts=SCRIPTS[request.query.get("policy", "")])
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})


def shop_page(request: web.Request) -> web.Response:
    """Serve the shop, for looking at and for screenshots."""
    dark = request.query.get("theme") == "dark"
    lang = request.query.get("locale", "en")
    boot = {name: value for name, value in request.query.items() if value}
    products = "".join(
        f'<div class="p"><img src="/img/{number}.svg" alt=""><div><b>{name}</b>£{price}</div></div>'
        for number, (name, price) in enumerate(PRODUCTS)
    )
    text = SHOP.format(
        lang=lang,
        bg="#0e1014" if dark else "#f4f2ee",
        card="#171a20" if dark else "#fff",
        ink="#eef0f5" if dark else "#22252e",
        heading="为家添一点光" if lang.startswith("zh") else "Things for a brighter home",
        products=products,
        boot=json.dumps(boot),
    )
    return web.Response(text=text, content_type="text/html")


def product_picture(name: str) -> web.Response:
    """Draw a quiet picture of a thing, the same for the same name."""
    seed = hashlib.sha256(name.encode()).digest()
    hue, kind = seed[0] * 360 // 256, seed[1] % 4
    shapes = [
        '<path d="M70 120h100l-10 62a14 14 0 0 1-14 12H94a14 14 0 0 1-14-12Z"/>'
        '<ellipse cx="120" cy="120" rx="50" ry="13"/>',
        '<rect x="82" y="70" width="76" height="118" rx="20"/>'
        '<path d="M104 70V54h32v16" fill="none" stroke-width="8"/>',
        '<circle cx="120" cy="128" r="52"/><circle cx="120" cy="128" r="30" opacity=".5"/>',
        '<path d="M94 66h52l-6 26c26 14 34 50 20 84a20 20 0 0 1-18 14H98a20 20 0 0 1-18-14c-14-34-6-70 20-84Z"/>',
    ]
    fill, line = f"hsl({hue} 38% 58%)", f"hsl({hue} 38% 48%)"
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240">'
        f'<rect width="240" height="240" fill="hsl({hue} 34% 90%)"/>'
        f'<ellipse cx="120" cy="196" rx="66" ry="9" fill="hsl({hue} 30% 80%)"/>'
        f'<g fill="{fill}" stroke="{line}">{shapes[kind]}</g></svg>'
    )
    return web.Response(text=text, content_type="image/svg+xml")
