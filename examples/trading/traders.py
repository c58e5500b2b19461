"""Who trades at the desk; names and homes are invented."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trader:
    """Someone with an account."""

    id: str
    name: str
    locale: str
    timezone: str

    @property
    def email(self) -> str:
        """Where letters go."""
        return f"{self.id}@traders.example"


TRADERS = {
    trader.id: trader
    for trader in (
        Trader("mara", "Mara Whitlock", "en", "Europe/London"),
        Trader("chenwei", "陈薇", "zh-CN", "Asia/Shanghai"),
    )
}
