"""The shop over real HTTP, with no chatpush behind it: everything still works."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from examples.shop.catalogue import Catalogue
from examples.shop.keys import REPORTS, ShopSettings
from examples.shop.shop import build
from tests.waiting import until

Client = TestClient[Request, Application]
SECRET = "s" * 32


@pytest.fixture
async def shop(tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[Client]:
    settings = ShopSettings(
        address="http://shop",
        chatpush="http://127.0.0.1:9",  # nobody listens on the discard port
        database=tmp_path / "shop.db",
        secret_key="sk_test",
        public_key="pk_test",
        token_secret=SECRET,
        internal_token="between-us",
    )
    async with TestClient(
        TestServer(build(settings, catalogue)), cookie_jar=aiohttp.CookieJar(unsafe=True)
    ) as client:
        yield client


async def _sign_in(shop: Client, customer: str) -> str:
    answer = await shop.post("/sign-in", data={"customer": customer, "next": "/"})
    return await answer.text()


@pytest.mark.parametrize(
    "path",
    ["/", "/shelves/light", "/search?q=mug", "/items/85123A", "/basket", "/sign-in", "/help", "/office"],
)
async def test_pages_open_for_a_guest(shop: Client, path: str) -> None:
    answer = await shop.get(path)
    assert answer.status == 200
    assert "script-src" in answer.headers["Content-Security-Policy"]
    assert "/widget.js" in await answer.text()


@pytest.mark.parametrize(
    "path", ["/nothing", "/items/nothing", "/shelves/nothing", "/help/en/nothing", "/help/xx/returns"]
)
async def test_what_is_not_there_is_said_kindly(shop: Client, path: str) -> None:
    answer = await shop.get(path)
    assert answer.status == 404
    assert "Nothing on this shelf" in await answer.text()


async def test_a_signed_in_customer_gets_a_token_and_her_language(shop: Client) -> None:
    page = await _sign_in(shop, "linxiao")
    assert 'lang="zh-CN"' in page
    found = re.search(r'"token": "([^"]+)"', page)
    assert found
    claims = jwt.decode(found[1], SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["name"]) == ("linxiao", "林晓")
    fresh = await (await shop.get("/chatpush-token")).text()
    assert jwt.decode(fresh, SECRET, algorithms=["HS256"])["sub"] == "linxiao"


async def test_a_guest_gets_no_token(shop: Client) -> None:
    assert '"token"' not in await (await shop.get("/")).text()
    assert (await shop.get("/chatpush-token")).status == 401


async def test_buying_makes_an_order_and_events_that_wait(shop: Client) -> None:
    await _sign_in(shop, "emma")
    await shop.get("/items/85123A")
    page = await (await shop.post("/basket", data={"item": "85123A", "quantity": "2", "mode": "add"})).text()
    assert "£5.90" in page
    thanks = await (await shop.post("/checkout")).text()
    assert "Thank you, Emma!" in thanks
    assert "HL-20481" in thanks
    app = shop.app
    assert app is not None
    assert app[REPORTS].waiting() == 4  # view, cart, purchase, order.paid


async def test_a_guest_signs_in_before_paying(shop: Client) -> None:
    await shop.post("/basket", data={"item": "85123A", "quantity": "1", "mode": "add"})
    answer = await shop.post("/checkout", allow_redirects=False)
    assert answer.headers["Location"] == "/sign-in?next=/basket"


async def test_the_basket_survives_signing_in_but_not_signing_out(shop: Client) -> None:
    await shop.post("/basket", data={"item": "85123A", "quantity": "1", "mode": "add"})
    await _sign_in(shop, "emma")
    assert "White Hanging Heart" in await (await shop.get("/basket")).text()
    await shop.post("/sign-out")
    assert "Nothing in here yet" in await (await shop.get("/basket")).text()


@pytest.mark.parametrize("quantity", ["-1", "1.5", "9999", "", "a", "²"])
async def test_odd_quantities_are_refused(shop: Client, quantity: str) -> None:
    answer = await shop.post("/basket", data={"item": "85123A", "quantity": quantity, "mode": "set"})
    assert answer.status == 404


async def test_nobody_sees_another_customers_order(shop: Client) -> None:
    await _sign_in(shop, "emma")
    await shop.post("/basket", data={"item": "85123A", "quantity": "1", "mode": "add"})
    await shop.post("/checkout")
    await _sign_in(shop, "jonas")
    assert (await shop.get("/orders/HL-20481")).status == 404
    assert "HL-20481" not in await (await shop.get("/orders")).text()


async def test_the_assistant_gets_one_customers_orders_with_the_token_only(shop: Client) -> None:
    await _sign_in(shop, "emma")
    await shop.post("/basket", data={"item": "85123A", "quantity": "1", "mode": "add"})
    await shop.post("/checkout")
    url = "/internal/orders?user=emma"
    assert (await shop.get(url)).status == 401
    assert (await shop.get(url, headers={"X-Shop-Token": "guess"})).status == 401
    told = await (await shop.get(url, headers={"X-Shop-Token": "between-us"})).json()
    assert [order["id"] for order in told["orders"]] == ["HL-20481"]
    other = await shop.get("/internal/orders?user=jonas", headers={"X-Shop-Token": "between-us"})
    assert await other.json() == {"orders": []}


async def test_the_office_moves_an_order_and_says_when_chatpush_is_away(shop: Client) -> None:
    await _sign_in(shop, "emma")
    await shop.post("/basket", data={"item": "85123A", "quantity": "1", "mode": "add"})
    await shop.post("/checkout")
    page = await (await shop.post("/office/orders/HL-20481/shipped")).text()
    assert "Done: HL-20481: On its way" in page

    async def told() -> bool:
        return "chatpush does not answer. Events kept for it:" in await (await shop.get("/office")).text()

    await until(told)
    page = await (await shop.post("/office/orders/HL-20481/shipped")).text()
    assert "That did not work" in page
    assert "That did not work" in await (await shop.post("/office/promotion")).text()
    assert "That did not work" in await (await shop.post("/office/weekly-picks")).text()


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "evil"])
async def test_signing_in_never_leads_elsewhere(shop: Client, elsewhere: str) -> None:
    answer = await shop.post("/sign-in", data={"customer": "emma", "next": elsewhere}, allow_redirects=False)
    assert answer.headers["Location"] == "/"


async def test_what_customers_type_is_escaped(shop: Client) -> None:
    page = await (await shop.get("/search", params={"q": "<script>alert(1)</script>"})).text()
    assert "<script>alert" not in page


async def test_signing_in_changes_the_cookie(shop: Client) -> None:
    await shop.get("/")
    before = shop.session.cookie_jar.filter_cookies(shop.make_url("/"))["hearth_visit"].value
    await _sign_in(shop, "emma")
    assert shop.session.cookie_jar.filter_cookies(shop.make_url("/"))["hearth_visit"].value != before


async def test_language_can_be_changed_by_anybody(shop: Client) -> None:
    page = await (await shop.post("/language", data={"locale": "zh-CN", "next": "/items/85123A"})).text()
    assert "加入购物袋" in page
    assert (
        "Add to basket"
        in await (await shop.post("/language", data={"locale": "en", "next": "/items/85123A"})).text()
    )


async def test_pictures_are_served(shop: Client) -> None:
    answer = await shop.get("/images/85123A.svg")
    assert answer.content_type == "image/svg+xml"
    assert (await shop.get("/images/nothing.svg")).status == 404
