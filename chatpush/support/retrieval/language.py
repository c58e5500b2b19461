"""Find the language to answer in, and the text that exists in it.

By script, not by statistics: a question is often two words long. Latin letters
don't tell English from French, so there the user's own locale decides.
"""

import re
from collections.abc import Mapping

from chatpush.domain import DEFAULT_LOCALE

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
HAN_WEIGHT = 3  # a Chinese character says about as much as three letters
OTHER_SCRIPTS = frozenset({"zh", "ja", "ko", "ru", "ar", "he", "th", "el"})


def base(locale: str) -> str:
    """Return the language of a locale: zh-CN is zh."""
    return re.split(r"[-_]", locale.strip().lower(), maxsplit=1)[0] or "en"


def detect(text: str, locale: str) -> str:
    """Return the locale of a text; the given one where the script does not say."""
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    latin, hangul = len(_LATIN.findall(text)), len(_HANGUL.findall(text))
    if kana and (kana + han) * HAN_WEIGHT >= latin:
        return "ja"
    if hangul and hangul * HAN_WEIGHT >= latin:
        return "ko"
    if han and han * HAN_WEIGHT >= latin:
        return locale if base(locale) == "zh" else "zh-CN"
    if latin and base(locale) in OTHER_SCRIPTS:
        return DEFAULT_LOCALE
    return locale or DEFAULT_LOCALE


def of_text(text: str) -> str:
    """Return the language of a text that has no declared one."""
    return base(detect(text, DEFAULT_LOCALE))


def pick(texts: Mapping[str, str], locale: str) -> str:
    """Return the text for a locale: exact, same language, English, or the first there is."""
    if not texts:
        return ""
    if locale in texts:
        return texts[locale]
    wanted = base(locale)
    for name, text in texts.items():
        if base(name) == wanted:
            return text
    for name, text in texts.items():
        if base(name) == "en":
            return text
    return next(iter(texts.values()))
