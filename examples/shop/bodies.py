"""What chatpush is told of the shop's things: the JSON bodies of its API calls."""

from examples.shop.catalogue import CURRENCY, Item, Purchase
from examples.shop.colours import number
from examples.shop.people import Customer
from examples.shop.push import Json

CONSENTING_PERCENT = 62

# The countries of the data set, with the zone whose nights are theirs.
COUNTRIES = {
    "United Kingdom": ("GB", "Europe/London"),
    "Germany": ("DE", "Europe/Berlin"),
    "France": ("FR", "Europe/Paris"),
    "EIRE": ("IE", "Europe/Dublin"),
    "Spain": ("ES", "Europe/Madrid"),
    "Norway": ("NO", "Europe/Oslo"),
    "Portugal": ("PT", "Europe/Lisbon"),
    "Belgium": ("BE", "Europe/Brussels"),
    "Australia": ("AU", "Australia/Sydney"),
    "Cyprus": ("CY", "Asia/Nicosia"),
    "Netherlands": ("NL", "Europe/Amsterdam"),
    "Japan": ("JP", "Asia/Tokyo"),
    "Switzerland": ("CH", "Europe/Zurich"),
    "Italy": ("IT", "Europe/Rome"),
    "Sweden": ("SE", "Europe/Stockholm"),
    "Lithuania": ("LT", "Europe/Vilnius"),
    "Iceland": ("IS", "Atlantic/Reykjavik"),
    "Denmark": ("DK", "Europe/Copenhagen"),
    "Channel Islands": ("GG", "Europe/Guernsey"),
    "Finland": ("FI", "Europe/Helsinki"),
    "Austria": ("AT", "Europe/Vienna"),
    "Poland": ("PL", "Europe/Warsaw"),
    "Israel": ("IL", "Asia/Jerusalem"),
    "Bahrain": ("BH", "Asia/Bahrain"),
}


def item_body(item: Item, shop: str) -> Json:
    """Return an item as chatpush takes it."""
    return {
        "id": item.id,
        "title": item.title,
        "text": item.text(),
        "price": str(item.price),
        "currency": CURRENCY,
        "stock": item.stock,
        "url": f"{shop}/items/{item.id}",
        "image": f"{shop}/images/{item.id}.svg",
        "tags": item.tags,
        "attributes": {"department": item.department.id, "kind": item.kind.id, "colour": item.colour},
    }


def item_card(item: Item, shop: str) -> Json:
    """Return what a message shows of an item."""
    return {
        "id": item.id,
        "title": item.title,
        "price": str(item.price),
        "currency": CURRENCY,
        "url": f"{shop}/items/{item.id}",
        "image": f"{shop}/images/{item.id}.svg",
    }


def person_body(person: Customer) -> Json:
    """Return a demo customer as chatpush takes it."""
    return {
        "locale": person.locale,
        "timezone": person.timezone,
        "attributes": {"name": person.name, "city": person.city, "country": person.country},
        "consents": {"marketing": person.marketing},
    }


def buyer_body(user: str, country: str) -> Json:
    """Return a nameless customer of the data set; consent is simulated, always the same for a customer."""
    code, zone = COUNTRIES.get(country, ("GB", "Europe/London"))
    return {
        "locale": "en",
        "timezone": zone,
        "attributes": {"country": code},
        "consents": {"marketing": number(user, "consent") % 100 < CONSENTING_PERCENT},
    }


def purchase_body(purchase: Purchase) -> Json:
    """Return a purchase as chatpush takes it."""
    return {
        "id": purchase.id,
        "user": purchase.user,
        "type": "purchase",
        "item": purchase.item,
        "at": purchase.at.isoformat().replace("+00:00", "Z"),
        "properties": {
            "quantity": purchase.quantity,
            "price": str(purchase.price),
            "currency": CURRENCY,
            "invoice": purchase.invoice,
        },
    }
