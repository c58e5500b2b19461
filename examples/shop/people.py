"""Who may sign in to the demo shop.

The names and homes are invented. Three of the four stand in for a real, nameless
customer of the data, so their baskets and the picks made from them are real.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Customer:
    """Someone with an account."""

    id: str
    name: str
    city: str
    country: str
    locale: str
    timezone: str
    marketing: bool
    stands_for: str = ""

    @property
    def first_name(self) -> str:
        """How a friendly shop says hello."""
        return self.name if self.locale == "zh-CN" else self.name.split()[0]


CUSTOMERS = {
    person.id: person
    for person in (
        Customer(
            "emma", "Emma Clarke", "London", "GB", "en", "Europe/London", marketing=True, stands_for="17069"
        ),
        Customer(
            "linxiao", "林晓", "上海", "CN", "zh-CN", "Asia/Shanghai", marketing=True, stands_for="15811"
        ),
        Customer(
            "jonas",
            "Jonas Becker",
            "Berlin",
            "DE",
            "en",
            "Europe/Berlin",
            marketing=False,
            stands_for="12712",
        ),
        Customer("zhouning", "周宁", "杭州", "CN", "zh-CN", "Asia/Shanghai", marketing=True),
    )
}
_STAND_INS = {person.stands_for: person.id for person in CUSTOMERS.values() if person.stands_for}


def name_of_customer(number: str) -> str:
    """Return the user id of a customer of the data set."""
    return _STAND_INS.get(number, f"customer-{number}")
