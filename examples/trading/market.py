"""A simulated market: twelve invented instruments that move by seeded chance.

Prices follow a geometric random walk with a common factor, so that a bad day is
bad for most. The same seed gives the same market, tick by tick. Nothing here is
real data, and no instrument is one of a real exchange.
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

SEED = 20261124
TICKS_A_YEAR = 250 * 8 * 3600 * 4
"""Four ticks a second on 250 days of eight hours."""
LIVELINESS = 12.0
"""How much faster than life time passes, so that a visitor sees something happen."""
COMMON = 0.5
MOVING = 5
SPARK_POINTS = 48
SPARK_EVERY = 8
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something that can be traded; ``volatility`` is its yearly standard deviation."""

    symbol: str
    name: dict[str, str]
    opens: Decimal
    volatility: float


def _made(symbol: str, en: str, zh: str, opens: str, volatility: float) -> Instrument:
    return Instrument(symbol, {"en": en, "zh-CN": zh}, Decimal(opens), volatility)


INSTRUMENTS = (
    _made("WICK", "Wick & Wax", "烛芯蜡业", "84.20", 0.31),
    _made("LUMA", "Luma Lighting", "流明照明", "142.75", 0.38),
    _made("HRTH", "Hearth Homes", "炉边家居", "57.10", 0.27),
    _made("TIDE", "Tidewater Ports", "潮汐港务", "33.48", 0.24),
    _made("FERN", "Fern Biotech", "蕨叶生物", "211.30", 0.62),
    _made("KITE", "Kite Air Cargo", "纸鸢航运", "18.92", 0.45),
    _made("OAKS", "Oaks & Sons Bank", "橡树银行", "46.05", 0.22),
    _made("PEAK", "Peak Mining", "峰顶矿业", "71.66", 0.41),
    _made("RILL", "Rill Water", "溪流水务", "27.34", 0.18),
    _made("SILK", "Silk Road Parcels", "丝路快递", "95.80", 0.33),
    _made("VOLT", "Volt Storage", "伏特储能", "163.00", 0.55),
    _made("ZINC", "Zinc Alloys", "锌合金业", "39.77", 0.36),
)


@dataclass(slots=True)
class _Course:
    """Where an instrument stands."""

    price: float
    volume: int = 0
    spark: deque[float] = field(default_factory=lambda: deque(maxlen=SPARK_POINTS))


class Market:
    """The market at one moment; ``step`` makes the next."""

    def __init__(self, seed: int = SEED) -> None:
        self._chance = random.Random(seed)
        self._courses = {one.symbol: _Course(float(one.opens)) for one in INSTRUMENTS}
        self._ticks = 0
        for _ in range(SPARK_POINTS * SPARK_EVERY):
            self.step()  # the day is some minutes old when the doors open

    def step(self) -> None:
        """Let one tick pass: some instruments trade, and a common mood moves them together."""
        self._ticks += 1
        mood = self._chance.gauss(0, 1)
        scale = math.sqrt(LIVELINESS * LIVELINESS / TICKS_A_YEAR)
        for instrument in self._chance.sample(INSTRUMENTS, MOVING):
            course = self._courses[instrument.symbol]
            own = self._chance.gauss(0, 1)
            move = (COMMON * mood + math.sqrt(1 - COMMON * COMMON) * own) * instrument.volatility * scale
            course.price = max(0.01, course.price * math.exp(move))
            course.volume += self._chance.randint(1, 40) * 100
        if self._ticks % SPARK_EVERY == 0:
            for course in self._courses.values():
                course.spark.append(round(course.price, 2))

    def shock(self, share: float) -> None:
        """Move every price at once, by a share such as -0.12."""
        for course in self._courses.values():
            course.price = max(0.01, course.price * (1 + share))

    def price(self, symbol: str) -> Decimal:
        """Return what an instrument costs now.

        Raises:
            KeyError: there is none of this symbol.
        """
        return Decimal(self._courses[symbol].price).quantize(CENT)

    def board(self) -> list[dict[str, Any]]:
        """Return every instrument's quote, as pages show it."""
        return [self._quote(instrument) for instrument in INSTRUMENTS]

    def sparks(self) -> dict[str, list[float]]:
        """Return the last prices of each instrument, oldest first, for a small chart."""
        return {symbol: list(course.spark) for symbol, course in self._courses.items()}

    def _quote(self, instrument: Instrument) -> dict[str, Any]:
        course = self._courses[instrument.symbol]
        price = self.price(instrument.symbol)
        spread = max(CENT, (price * Decimal("0.0004")).quantize(CENT))
        change = float(price / instrument.opens - 1) * 100
        return {
            "symbol": instrument.symbol,
            "price": f"{price}",
            "bid": f"{price - spread}",
            "ask": f"{price + spread}",
            "percent": round(change, 2),
            "volume": course.volume,
        }
