"""The back office: what a warehouse and a marketing desk would do.

In a real shop these buttons are other systems, behind a sign-in; here anybody on
this machine may press them. ``/internal/orders`` is for chatpush's order tool
and wants the shared token.
"""

import hmac
import logging
from datetime import UTC, datetime

from aiohttp import web
from yarl import URL

from examples.shop.bodies import item_card
from examples.shop.catalogue import CURRENCY
from examples.shop.keys import CATALOGUE, ORDERS, PUSH, RENDERING, REPORTS, SETTINGS, VISIT
from examples.shop.orders import STEPS, WrongStep
from examples.shop.people import CUSTOMERS
from examples.shop.push import Json, PushError
from examples.shop.seeding import WEEKLY_PICKS
from examples.shop.storefront import show

log = logging.getLogger(__name__)
routes = web.RouteTableDef()


@routes.get("/office")
async def office(request: web.Request) -> web.Response:
    """Orders with their next step, and the messages one can send."""
    catalogue = request.app[CATALOGUE]
    sold_out = [item for item in catalogue.items.values() if not item.stock]
    return show(
        request,
        "office",
        orders=request.app[ORDERS].latest(),
        people=CUSTOMERS,
        held=request.app[REPORTS].held(),
        sold_out=sorted(sold_out, key=lambda item: -item.buyers)[:12],
        done=request.query.get("done", ""),
        problem=request.query.get("problem", ""),
        steps=STEPS,
    )


@routes.post("/office/orders/{order}/{step}")
async def advance(request: web.Request) -> web.Response:
    """Let an order take its next step; chatpush hears of it as an event."""
    order, step = request.match_info["order"], request.match_info["step"]
    try:
        request.app[ORDERS].advance(order, step)
    except WrongStep as error:
        raise _back(problem=str(error)) from error
    said = request.app[RENDERING].words.say(request[VISIT].locale, f"orders.{step}")
    raise _back(done=f"{order}: {said}")


@routes.post("/office/promotion")
async def promotion(request: web.Request) -> web.Response:
    """Send the promotion to everybody; chatpush leaves out who did not consent."""
    stars = request.app[CATALOGUE].by_department["light"][:3]
    address = request.app[SETTINGS].address
    body: Json = {
        "template": "promotion",
        "to": [{"all": True}],
        "category": "marketing",
        "data": {
            "shelf": stars[0].department.name,
            "titles": [item.title for item in stars],
            "items": [item_card(item, address) for item in stars],
            "url": f"{address}/shelves/light",
            "image": f"{address}/images/{stars[0].id}.svg",
        },
        "collapse_key": "promotion",
        "quiet_hours": "defer",
    }
    now = datetime.now(UTC)
    return await _send(request, body, f"promotion-{now:%Y%m%d%H%M%S}", "promotion sent")


@routes.post("/office/back-in-stock")
async def back_in_stock(request: web.Request) -> web.Response:
    """Tell a customer that something can be had again."""
    form = await request.post()
    item = request.app[CATALOGUE].items.get(str(form.get("item", "")))
    customer = str(form.get("customer", ""))
    if item is None or customer not in CUSTOMERS:
        raise _back(problem="choose an item and a customer")
    address = request.app[SETTINGS].address
    body: Json = {
        "template": "back_in_stock",
        "to": [{"user": customer}],
        "category": "alert",
        "data": {
            "item": item.id,
            "title": item.title,
            "price": str(item.price),
            "currency": CURRENCY,
            "url": f"{address}/items/{item.id}",
            "image": f"{address}/images/{item.id}.svg",
        },
        "collapse_key": f"back-in-stock-{item.id}",
    }
    key = f"back-in-stock-{item.id}-{customer}-{datetime.now(UTC):%Y%m%d%H%M}"
    return await _send(request, body, key, f"told {CUSTOMERS[customer].name}")


@routes.post("/office/weekly-picks")
async def weekly_picks(request: web.Request) -> web.Response:
    """Let the weekly picks run now instead of at their hour."""
    push = request.app[PUSH]
    try:
        campaign = await push.campaign_named(WEEKLY_PICKS)
        if campaign is None:
            raise _back(problem=f"chatpush has no campaign called {WEEKLY_PICKS}")
        await push.run_campaign(campaign)
    except PushError as error:
        raise _back(problem=str(error)) from error
    raise _back(done="weekly picks are running")


@routes.get("/internal/orders")
async def orders_for_the_assistant(request: web.Request) -> web.Response:
    """Return one customer's orders to chatpush's order tool."""
    token = request.app[SETTINGS].internal_token
    given = request.headers.get("X-Shop-Token", "")
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        return web.json_response({"error": "X-Shop-Token is missing or wrong"}, status=401)
    customer = request.query.get("user", "")
    if not customer:
        return web.json_response({"error": "user is missing"}, status=400)
    return web.json_response(
        {"orders": [order.as_json() for order in request.app[ORDERS].of_customer(customer)]}
    )


async def _send(request: web.Request, body: Json, key: str, done: str) -> web.Response:
    try:
        message = await request.app[PUSH].message(body, key)
    except PushError as error:
        log.warning("not sent: %s", error)
        raise _back(problem=str(error)) from error
    raise _back(done=f"{done} ({message})")


def _back(**said: str) -> web.HTTPSeeOther:
    """Return to the office with a word on what happened."""
    return web.HTTPSeeOther(URL("/office").with_query(said))
