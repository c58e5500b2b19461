"""Turn text into search terms, in English and Chinese and in mixtures of them.

English words become a stem (``w:``) plus character 4-grams (``g:``), so that
"refunding" and "re-fund" find "refund". Chinese runs become single characters
and pairs (``c:``), which finds a two-character word inside any sentence without
a dictionary. ``Units`` say how much of a question a text covers: whole words
and characters, because grams would count the same word many times.

Nothing here knows an index; the same text always gives the same terms.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

GRAM = 4
LONGEST_WORD = 40

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:'[a-z]+)?")
_HAN_RUN = re.compile(rf"[{_HAN}]")

_ENGLISH_STOP_WORDS = (
    "a about am an and any are as at be been being but by can could did do does doing done for from get got "
    "had has have having he her here hers him his how i if in into is it its just let like may me might my "
    "need no nor not of on or our ours out please shall she should so some such than that the their them then "
    "there these they this those to too up us very want was way we were what when where which while who whom "
    "why will with would yes you your yours"
)
ENGLISH_STOP = frozenset(_ENGLISH_STOP_WORDS.split())
# Say nothing of what a question is about, yet do in a tool's examples ("go", "happen").
_FILLING = (
    "also already anything come everything happen happens happened know now really something someone somebody "
    "tell thing things think want wanted well work works still sure thanks hello hi hey much many long "
    "possible able keep keeps go going say says put take see look don doesn didn isn won can't don't"
)
FILLER = ENGLISH_STOP | frozenset(_FILLING.split())
CHINESE_STOP = frozenset(
    "的了吗呢吧啊呀哦嘛么我你您他她它们是在有和与及或也都就还又很被把给让请对这那个些之其于并而到"
)
# Phrases that only ask; taken out first so that no pair is formed across them.
_ASKING = re.compile(
    "请问|麻烦|你好|您好|怎么办|怎么样|怎样|怎么|如何|什么时候|什么|为什么|为啥|多少|多久|哪里|哪儿|"
    "可不可以|能不能|是不是|有没有|可以|是否|我想要|我想|我要|想要|想问一下|问一下|知道|一下|谢谢|需要"
)
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the English stem of a lower-case word."""
    return str(_stemmer.stemWord(word))


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing a question asks about: a word or a character, with the terms that show it.

    ``term`` alone shows it fully when ``pairs`` is empty; else any of ``pairs``
    does, and ``term`` alone only weakly. Enough ``grams`` of a word show that a
    misspelt or otherwise inflected one is meant.
    """

    term: str
    pairs: tuple[str, ...] = ()
    grams: tuple[str, ...] = ()


def is_han(text: str) -> bool:
    """Return whether the text holds a character of a script without spaces."""
    return bool(_HAN_RUN.search(text))


def runs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield (run, is Han) in lower case; asking phrases in Chinese split a run."""
    for match in _RUN.finditer(text.lower().replace("’", "'")):
        run = match.group()
        if not is_han(run[0]):
            yield run, False
            continue
        for part in _ASKING.split(run):
            if part:
                yield part, True


def terms(text: str) -> list[str]:
    """Return every term of a text, repeated as often as it occurs."""
    found: list[str] = []
    for run, han in runs(text):
        if han:
            found += _han_terms(run)
        else:
            found += _word_terms(run)
    return found


def units(text: str) -> list[Unit]:
    """Return what a question asks about; all its words if it has only stop words."""
    every = [unit for run, han in runs(text) for unit in (_han_units(run) if han else _word_units(run))]
    if every:
        return list(dict.fromkeys(every))
    words = [match.group() for match in _RUN.finditer(text.lower())]
    return [Unit(f"w:{stem(word)}") for word in dict.fromkeys(words) if not is_han(word)]


def tokens(text: str) -> list[str]:
    """Return the words of a text as stems, the little ones too; nothing of Chinese."""
    return [stem(word) for word in _RUN.findall(text.lower().replace("’", "'")) if not is_han(word)]


def wording(text: str) -> str:
    """Return the words of a text as they stand, little ones too: what two askings of the same share."""
    return " ".join(_RUN.findall(text.lower().replace("’", "'")))


def keys(text: str) -> list[str]:
    """Return the terms that say what a text means: stems and pairs, a character where it is alone."""
    found: list[str] = []
    for run, han in runs(text):
        if not han:
            found += [one for one in _word_terms(run) if one.startswith("w:")]
        elif len(run) == 1:
            found.append(f"c:{run}")
        else:
            found += [f"c:{run[i : i + 2]}" for i in range(len(run) - 1)]
    return found


def _word_terms(word: str) -> list[str]:
    word = word.partition("'")[0][:LONGEST_WORD]
    if word in FILLER or not word:
        return []
    return [f"w:{stem(word)}", *_grams(word)]


def _grams(word: str) -> list[str]:
    padded = f"_{word}_"
    return [f"g:{padded[i : i + GRAM]}" for i in range(len(padded) - GRAM + 1)]


def _word_units(word: str) -> list[Unit]:
    word = word.partition("'")[0][:LONGEST_WORD]
    return [] if word in FILLER or not word else [Unit(f"w:{stem(word)}", grams=tuple(_grams(word)))]


def _han_terms(run: str) -> list[str]:
    singles = [f"c:{one}" for one in run if one not in CHINESE_STOP]
    return singles + [f"c:{run[i : i + 2]}" for i in range(len(run) - 1)]


def _han_units(run: str) -> list[Unit]:
    found = []
    for i, one in enumerate(run):
        if one in CHINESE_STOP:
            continue
        pairs = tuple(
            f"c:{run[k : k + 2]}"
            for k in (i - 1, i)
            if 0 <= k < len(run) - 1 and not (set(run[k : k + 2]) & CHINESE_STOP)
        )
        found.append(Unit(f"c:{one}", pairs))
    return found
