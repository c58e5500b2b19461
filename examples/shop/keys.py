"""What the shop's handlers find in the application and the request."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from examples.shop.catalogue import Catalogue
from examples.shop.help import Help
from examples.shop.orders import Orders
from examples.shop.push import Push
from examples.shop.rendering import Rendering
from examples.shop.reports import Reports
from examples.shop.visits import Visit, Visits


@dataclass(frozen=True)
class ShopSettings:
    """Where the shop and chatpush live, and the secrets they share."""

    address: str
    chatpush: str
    database: Path
    secret_key: str = ""
    public_key: str = ""
    token_secret: str = ""
    internal_token: str = ""


SETTINGS = web.AppKey("settings", ShopSettings)
HELP = web.AppKey("help", Help)
CATALOGUE = web.AppKey("catalogue", Catalogue)
ORDERS = web.AppKey("orders", Orders)
PUSH = web.AppKey("push", Push)
RENDERING = web.AppKey("rendering", Rendering)
REPORTS = web.AppKey("reports", Reports)
VISITS = web.AppKey("visits", Visits)
VISIT = web.RequestKey("visit", Visit)
NONCE = web.RequestKey("nonce", str)
