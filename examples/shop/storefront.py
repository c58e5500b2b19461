"""The pages that customers see."""

import logging
import secrets
from decimal import Decimal
from typing import Any

from aiohttp import web

from examples.shop.catalogue import Item
from examples.shop.drawing import draw
from examples.shop.keys import CATALOGUE, HELP, NONCE, ORDERS, PUSH, RENDERING, REPORTS, SETTINGS, VISIT
from examples.shop.kinds import DEPARTMENTS
from examples.shop.orders import Order, WrongStep
from examples.shop.people import CUSTOMERS
from examples.shop.push import PushError, customer_token
from examples.shop.shipping import UNITED_KINGDOM, route_to
from examples.shop.visits import LOCALES, Visit

log = logging.getLogger(__name__)
routes = web.RouteTableDef()
_PICKS = 5
_SHELF = 48
_HERO = ("85123A", "22423", "22112")


def show(request: web.Request, name: str, status: int = 200, **values: Any) -> web.Response:
    """Render a page of the shop with what every page needs."""
    visit: Visit = request[VISIT]
    settings, person = request.app[SETTINGS], visit.customer
    request[NONCE] = secrets.token_urlsafe(12)
    boot: dict[str, str] = {"host": settings.chatpush, "key": settings.public_key, "locale": visit.locale}
    if person and settings.token_secret:
        boot["token"] = customer_token(person.id, person.name, settings.token_secret)
    route = route_to(person.country) if person else UNITED_KINGDOM
    text = request.app[RENDERING].page(
        name, visit.locale, person.timezone if person else "",
        visit=visit, person=person, boot=boot, nonce=request[NONCE], chatpush=settings.chatpush,
        departments=DEPARTMENTS, route=route, path=request.path_qs, **values,
    )  # fmt: skip
    return web.Response(
        text=text, content_type="text/html", status=status, headers={"Cache-Control": "no-store"}
    )


def not_found(request: web.Request) -> web.Response:
    """Say kindly that there is nothing here."""
    return show(request, "missing", status=404, items=request.app[CATALOGUE].popular[:_PICKS])


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    """The shop window."""
    catalogue = request.app[CATALOGUE]
    picks = await _picks(request)
    shelves = [(shelf, catalogue.by_department.get(shelf.id, [])) for shelf in DEPARTMENTS.values()]
    hero = [catalogue.items[code] for code in _HERO]
    return show(
        request, "home", picks=picks, shelves=shelves, hero=hero, loved=_variety(catalogue.popular, 10)
    )


@routes.get("/shelves/{department}")
async def shelf(request: web.Request) -> web.Response:
    """One department."""
    department = DEPARTMENTS.get(request.match_info["department"])
    if department is None:
        raise web.HTTPNotFound
    items = request.app[CATALOGUE].by_department.get(department.id, [])
    return show(request, "shelf", department=department, items=items[:_SHELF], count=len(items), query="")


@routes.get("/search")
async def search(request: web.Request) -> web.Response:
    """What matches the customer's words."""
    query = request.query.get("q", "").strip()[:80]
    found = request.app[CATALOGUE].search(query, _SHELF) if query else []
    return show(request, "shelf", department=None, items=found, count=len(found), query=query)


@routes.get("/items/{item}")
async def item_page(request: web.Request) -> web.Response:
    """One item."""
    item, catalogue, visit = _item(request), request.app[CATALOGUE], request[VISIT]
    if visit.customer:
        request.app[REPORTS].behaviour(visit.customer.id, "view", item.id)
    return show(request, "item", item=item, others=catalogue.bought_with(item, _PICKS))


@routes.get("/images/{item}.svg")
async def image(request: web.Request) -> web.Response:
    """An item's picture."""
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": "style-src 'unsafe-inline'",
    }
    return web.Response(text=draw(_item(request)), content_type="image/svg+xml", headers=headers)


@routes.get("/basket")
async def basket(request: web.Request) -> web.Response:
    """What the customer is about to buy."""
    visit: Visit = request[VISIT]
    catalogue = request.app[CATALOGUE]
    lines = [
        (catalogue.items[code], count) for code, count in visit.basket.items() if code in catalogue.items
    ]
    goods = sum((item.price * count for item, count in lines), Decimal(0))
    route = route_to(visit.customer.country) if visit.customer else UNITED_KINGDOM
    last = lines[-1][0] if lines else catalogue.popular[0]
    return show(
        request,
        "basket",
        lines=lines,
        goods=goods,
        delivery=route.price(goods),
        missing=max(route.free_from - goods, Decimal(0)),
        others=[other for other in catalogue.bought_with(last, 8) if other.id not in visit.basket][:_PICKS],
    )


@routes.post("/basket")
async def put_in_basket(request: web.Request) -> web.Response:
    """Put something into the basket, or change how many."""
    form, visit = await request.post(), request[VISIT]
    item = request.app[CATALOGUE].items.get(str(form.get("item", "")))
    quantity = str(form.get("quantity", "1"))
    if item is None or not quantity.isdecimal() or len(quantity) > 3:
        raise web.HTTPNotFound
    before = visit.basket.get(item.id, 0)
    wanted = int(quantity) + (before if form.get("mode") == "add" else 0)
    visit.put(item.id, min(wanted, item.stock))
    if visit.customer and visit.basket.get(item.id, 0) > before:
        request.app[REPORTS].behaviour(visit.customer.id, "cart", item.id)
    raise web.HTTPSeeOther("/basket")


@routes.post("/checkout")
async def checkout(request: web.Request) -> web.Response:
    """Order and pay: one step, as the demo's card is always good."""
    visit: Visit = request[VISIT]
    if visit.customer is None:
        raise web.HTTPSeeOther("/sign-in?next=/basket")
    try:
        order = request.app[ORDERS].place(visit.customer, visit.basket)
    except WrongStep as error:
        raise web.HTTPSeeOther("/basket") from error
    visit.basket = {}
    raise web.HTTPSeeOther(f"/orders/{order.id}?thanks=1")


@routes.get("/orders")
async def orders(request: web.Request) -> web.Response:
    """The customer's orders."""
    visit: Visit = request[VISIT]
    if visit.customer is None:
        raise web.HTTPSeeOther("/sign-in?next=/orders")
    return show(request, "orders", orders=request.app[ORDERS].of_customer(visit.customer.id), thanks=False)


@routes.get("/orders/{order}")
async def order_page(request: web.Request) -> web.Response:
    """One order; only its customer sees it."""
    visit: Visit = request[VISIT]
    if visit.customer is None:
        raise web.HTTPSeeOther(f"/sign-in?next=/orders/{request.match_info['order']}")
    order = request.app[ORDERS].find(request.match_info["order"])
    if order is None or order.customer != visit.customer.id:
        raise web.HTTPNotFound
    return show(
        request, "order", order=order, thanks="thanks" in request.query, suggestions=_after(request, order)
    )


@routes.get("/help")
async def help_topics(request: web.Request) -> web.Response:
    """What the shop explains."""
    return show(request, "help", articles=request.app[HELP].in_language(request[VISIT].locale))


@routes.get("/help/{language}/{topic}")
async def help_article(request: web.Request) -> web.Response:
    """One article; the assistant's sources lead here."""
    article = request.app[HELP].find(request.match_info["language"], request.match_info["topic"])
    if article is None:
        raise web.HTTPNotFound
    return show(request, "article", article=article)


@routes.get("/chatpush-token")
async def fresh_token(request: web.Request) -> web.Response:
    """Sign a new token for the widget when its old one has run out."""
    person, secret = request[VISIT].customer, request.app[SETTINGS].token_secret
    if person is None or not secret:
        return web.Response(status=401, text="")
    return web.Response(
        text=customer_token(person.id, person.name, secret), headers={"Cache-Control": "no-store"}
    )


@routes.get("/sign-in")
async def sign_in(request: web.Request) -> web.Response:
    """Choose who you are."""
    return show(
        request, "sign_in", people=list(CUSTOMERS.values()), onward=_inside(request.query.get("next", "/"))
    )


@routes.post("/sign-in")
async def signed_in(request: web.Request) -> web.Response:
    """Be one of the demo customers."""
    form, visit = await request.post(), request[VISIT]
    person = CUSTOMERS.get(str(form.get("customer", "")))
    if person is None:
        raise web.HTTPSeeOther("/sign-in")
    visit.id = secrets.token_urlsafe(24)  # a visit's secret never survives a change of person
    visit.customer_id, visit.locale = person.id, person.locale
    raise web.HTTPSeeOther(_inside(str(form.get("next", "/"))))


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    """Be a guest again."""
    visit: Visit = request[VISIT]
    visit.id, visit.customer_id, visit.basket = secrets.token_urlsafe(24), "", {}
    raise web.HTTPSeeOther("/")


@routes.post("/language")
async def language(request: web.Request) -> web.Response:
    """Change the language of the pages."""
    form = await request.post()
    wanted = str(form.get("locale", ""))
    if wanted in LOCALES:
        request[VISIT].locale = wanted
    raise web.HTTPSeeOther(_inside(str(form.get("next", "/"))))


async def _picks(request: web.Request) -> list[tuple[Item, str]]:
    """Return picks with their reasons; without chatpush, what is popular, with none."""
    visit: Visit = request[VISIT]
    catalogue = request.app[CATALOGUE]
    user = visit.customer.id if visit.customer else None
    try:
        answered = await request.app[PUSH].picks(user, _PICKS, visit.locale)
    except PushError as error:
        log.warning("no picks: %s", error)
        answered = []
    known = [
        (catalogue.items.get(pick["item"]["id"]), pick.get("reason", {}).get("text", "")) for pick in answered
    ]
    picks = [(item, reason) for item, reason in known if item]
    return picks or [(item, "") for item in _variety(catalogue.popular[40:], _PICKS)]


def _variety(items: list[Item], limit: int) -> list[Item]:
    """Return the first items of different kinds."""
    firsts: dict[str, Item] = {}
    for item in items:
        firsts.setdefault(item.kind.id, item)
    return list(firsts.values())[:limit]


def _after(request: web.Request, order: Order) -> list[Item]:
    catalogue = request.app[CATALOGUE]
    first = catalogue.items.get(order.lines[0].item)
    return catalogue.bought_with(first, _PICKS) if first else []


def _item(request: web.Request) -> Item:
    item = request.app[CATALOGUE].items.get(request.match_info["item"])
    if item is None:
        raise web.HTTPNotFound
    return item


def _inside(path: str) -> str:
    """Return a path within the shop; an address elsewhere becomes the home page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
