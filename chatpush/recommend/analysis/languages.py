"""Tell the language of a few words by script and by the small words of each language."""

import re
from collections import Counter

SCRIPTS = {
    "zh": re.compile(r"[㐀-䶿一-鿿]"), "ja": re.compile(r"[぀-ヿ]"),
    "ko": re.compile(r"[가-힯]"), "ru": re.compile(r"[Ѐ-ӿ]"), "ar": re.compile(r"[؀-ۿ]"),
    "he": re.compile(r"[֐-׿]"), "th": re.compile(r"[฀-๿]"), "el": re.compile(r"[Ͱ-Ͽ]"),
    "latin": re.compile(r"[A-Za-zÀ-ɏ]"),
}  # fmt: skip
WEIGHTS = {"zh": 3.0, "ja": 6.0, "ko": 3.0}
"""What a character says, in Latin letters; kana decide between Japanese and Chinese."""
SMALL_WORDS = {
    "en": "the and for you your with this that from have are is of to in on our we it new now just at be "
          "more one will can was not has what here more than its been by or an a my me get",
    "de": "der die das und für mit ist ein eine einen sie ihr ihre wir nicht auf von zu den dem im dich "
          "dein deine neu jetzt",
    "fr": "le la les des et pour vous votre avec est une dans sur nous que qui pas ce cette du au aux en vos nouveau",
    "es": "el la los las y para con es una un en por tu su que de del al lo te ya más nuevo este esta tus",
    "it": "il lo la gli le e per con è una un di del della che non in su tuo tua vostro nuovo questo questa",
    "pt": "o a os as e para com é uma um em por seu sua que do da dos não mais novo este esta você",
    "nl": "de het een en voor met is van je jouw niet op uw wij ons deze dit nieuw",
}  # fmt: skip
WORDS = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}
WORD = re.compile(r"[^\W\d_]+")
FIELD = re.compile(r"\{[^{}]*\}")


def language_of(text: str, otherwise: str = "en") -> str:
    """Return the language code of a text; ``otherwise`` where its words do not say."""
    text = FIELD.sub(" ", text)
    weighed = {name: len(found.findall(text)) * WEIGHTS.get(name, 1.0) for name, found in SCRIPTS.items()}
    script = max(weighed, key=lambda name: weighed[name])
    if not weighed[script]:
        return otherwise
    if script == "zh" and weighed["ja"] * 3 > weighed["zh"]:
        return "ja"
    if script != "latin":
        return script
    found = Counter(
        language for word in WORD.findall(text.lower()) for language, words in WORDS.items() if word in words
    )
    if not found:
        return otherwise
    (first, count), *others = found.most_common(2)
    tied = bool(others) and others[0][1] == count
    return otherwise if tied and found[otherwise] == count else first


def speaks(text: str, locale: str) -> bool:
    """Return whether a text can be in a locale's language; a name alone is in every one of its script."""
    wanted = locale.replace("_", "-").split("-")[0].lower()
    if wanted not in SCRIPTS and wanted not in WORDS:
        return True
    return language_of(text, wanted if wanted in WORDS else "en") == wanted
