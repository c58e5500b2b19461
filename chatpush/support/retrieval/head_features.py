"""Turn a question into weighted features for the linear head, in English and Chinese.

Three blocks, each of length one: words with their pairs (also of words further
apart, because few examples rarely share a whole phrase), characters within
words, and for Chinese single characters and pairs. A vocabulary is learned
once from the examples; a question then only looks terms up.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chatpush.support.retrieval.terms import is_han, runs, stem

PAIR_REACH = 6
GRAMS = (2, 3, 4, 5)
HAN_GRAMS = (1, 2)
_LITTLE = frozenset("a an the is are am be been of to do does did it this that i me my".split())  # noqa: SIM905
Matrix = sparse.csr_array


@dataclass(frozen=True, slots=True)
class Weighted:
    """A question as features: numbers, weights, and the share of its words never seen."""

    numbers: NDArray[np.int32]
    weights: NDArray[np.float32]
    unknown: float


def word_terms(text: str) -> list[str]:
    """Return stems, their pairs, and pairs of telling words near each other."""
    words = [stem(run.partition("'")[0]) for run, han in runs(text) if not han]
    telling = [word for word in dict.fromkeys(words) if word not in _LITTLE]
    found = [f"w {word}" for word in words]
    found += [f"b {one} {two}" for one, two in itertools.pairwise(words)]
    for place, one in enumerate(telling):
        found += [f"p {min(one, two)} {max(one, two)}" for two in telling[place + 1 : place + 1 + PAIR_REACH]]
    return found


def character_terms(text: str) -> list[str]:
    """Return the 2- to 5-grams of every word that is not Chinese."""
    found = []
    for run, han in runs(text):
        if not han:
            padded = f" {run} "
            found += [padded[i : i + n] for n in GRAMS for i in range(len(padded) - n + 1)]
    return found


def han_terms(text: str) -> list[str]:
    """Return the characters of Chinese text and their pairs, asking words included."""
    return [
        f"h{run[i : i + n]}"
        for run, han in _whole_runs(text)
        if han
        for n in HAN_GRAMS
        for i in range(len(run) - n + 1)
    ]


BLOCKS = (word_terms, character_terms, han_terms)


def _whole_runs(text: str) -> list[tuple[str, bool]]:
    whole: list[tuple[str, bool]] = []
    current = ""
    for one in text.lower():
        if is_han(one):
            current += one
        elif current:
            whole.append((current, True))
            current = ""
    return [*whole, (current, True)] if current else whole


class Features:
    """A vocabulary with weights."""

    def __init__(self, terms: Sequence[str], idf: NDArray[np.float32], examples: int) -> None:
        self.terms = list(terms)
        self.idf = idf
        self.examples = examples
        self._numbers = {term: number for number, term in enumerate(self.terms)}
        self._highest = math.log((1 + examples) / 1) + 1

    def __len__(self) -> int:
        return len(self.terms)

    @classmethod
    def learn(cls, texts: Sequence[str], most: int | None = None) -> "Features":
        """Return the features of some examples, the most frequent ones if there may be only so many."""
        seen: Counter[str] = Counter()
        for text in texts:
            seen.update({term for block in BLOCKS for term in block(text)})
        kept = sorted(seen)
        if most is not None and len(kept) > most:
            kept = sorted(sorted(kept, key=lambda term: -seen[term])[:most])
        counts = np.fromiter((seen[term] for term in kept), np.float32, len(kept))
        return cls(kept, (np.log((1 + len(texts)) / (1 + counts)) + 1).astype(np.float32), len(texts))

    def of(self, text: str) -> Weighted:
        """Return a text's features, each block of length one."""
        numbers: list[int] = []
        weights: list[float] = []
        known = total = 0.0
        for block in BLOCKS:
            counted = Counter(block(text))
            found = []
            for term, count in counted.items():
                number = self._numbers.get(term)
                telling = block is not character_terms and term[:2] in {"w ", "h" + term[1:2]}
                if number is None:
                    total += self._highest if telling else 0.0
                    continue
                weight = float(self.idf[number])
                if telling:
                    total, known = total + weight, known + weight
                found.append((number, (1 + math.log(count)) * weight))
            length = math.sqrt(sum(weight * weight for _, weight in found)) or 1.0
            numbers += [number for number, _ in found]
            weights += [weight / length for _, weight in found]
        return Weighted(
            np.array(numbers, np.int32), np.array(weights, np.float32), 1 - known / total if total else 1.0
        )

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return texts by features."""
        rows = [self.of(text) for text in texts]
        pointers = np.concatenate([[0], np.cumsum([len(row.numbers) for row in rows])]).astype(np.int32)
        numbers = np.concatenate([row.numbers for row in rows]) if rows else np.zeros(0, np.int32)
        weights = np.concatenate([row.weights for row in rows]) if rows else np.zeros(0, np.float32)
        found = sparse.csr_array((weights, numbers, pointers), shape=(len(rows), len(self)))
        found.sort_indices()
        return found
