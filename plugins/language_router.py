"""Answer in the language that somebody writes in, by a team that speaks it.

A conversation's language decides its texts and its team. chatpush tells
languages apart by their script; this plugin tells apart those that share the
Latin one, by their small words, and the Cyrillic, Arabic, Thai, Greek, Hebrew
and Devanagari scripts. A short or mixed question changes nothing. ``instead``
sends languages that nobody here speaks to one that somebody does.

    [plugins.settings.language_router]
    languages = ["en", "fr", "de", "es", "zh-CN"]
    instead = { pt = "es", ca = "es" }

>>> run(plugins.filter_question(question("Où est ma commande, je ne la trouve pas ?"))).language
'fr'
>>> run(plugins.filter_question(question("Where is my order?"))).language
'en'
"""

import re
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.plugins.contracts import Question
from chatpush.plugins.hooks import hook

inline = True
LEAST_WORDS = 2
LEAST_SHARE = 0.25
LONGEST = 2000
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
SCRIPTS = {
    "ru": re.compile(r"[\u0400-\u04ff]"), "ar": re.compile(r"[\u0600-\u06ff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"), "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"), "hi": re.compile(r"[\u0900-\u097f]"),
}  # fmt: skip
SMALL_WORDS = {
    "en": "the is my where what how when can you i have it not was to a of and your for do does did are this "
    "that with will on in would be me don't it's i'm but been has still why",
    "fr": "le la les est où mon ma mes je ne pas que quand comment vous avez un une des du pour et dans c'est "
    "j'ai n'est ce cette suis sur votre avec qui se été au aux pourquoi bonjour merci",
    "de": "der die das ist wo mein meine ich nicht wann wie sie haben ein eine und für mit auf wird kann habe zu "
    "den dem es bitte noch warum wurde bei von im am aber auch guten hallo danke",
    "es": "el la los las está dónde mi mis yo no qué cuándo cómo puedo tengo un una de y para con en es pedido "
    "por se me lo su ha he hola gracias muy pero cuál todavía porque",
    "it": "il lo la gli è dov'è dove mio mia io non che quando come posso ho un una di e per con del della sono "
    "ciao grazie perché ancora mi si ma ordine questo nel al alla",
    "pt": "o a os as está onde meu minha eu não que quando como posso tenho um uma de e para com em é pedido do "
    "da por se me seu ainda olá obrigado obrigada mas você foi ao",
    "nl": "de het is waar mijn ik niet wat wanneer hoe kan heb een en voor met op u je van te dat deze nog "
    "waarom hallo dank bestelling aan er maar ook naar bij",
    "pl": "jest gdzie moje moja mój nie co kiedy jak mogę mam i na w z do się to dla czy dlaczego dzień dobry "
    "dziękuję zamówienie już przez po od ale",
    "tr": "ve bir bu nerede ne zaman nasıl benim siparişim için var yok mı mi değil ile çok da de merhaba "
    "teşekkürler neden henüz ben siz gibi",
    "id": "di yang saya tidak dan apa kapan bagaimana bisa pesanan ini itu untuk dengan ada belum mana kenapa "
    "sudah dari ke akan halo terima kasih",
    "vi": "của tôi là ở đâu không khi nào làm sao có đơn hàng và cho với này được đã chưa tại xin chào cảm ơn",
}  # fmt: skip
WORDS = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.language_router]``."""

    model_config = ConfigDict(extra="forbid")

    languages: list[str] = Field([], description="Languages that are answered in; empty: all that are known.")
    instead: dict[str, str] = Field({}, description="Language → the one to use in its place.")

    @field_validator("languages")
    @classmethod
    def _are_locales(cls, languages: list[str]) -> list[str]:
        for language in languages:
            if not LOCALE.fullmatch(language):
                raise ValueError(f"{language!r} is no language; write en, fr, zh-CN …")
        return languages


@hook
def filter_question(question: Question, settings: dict[str, Any]) -> Question | None:
    """Give a question the language it is written in."""
    found = detected(question.text[:LONGEST])
    if not found:
        return None
    wanted = settings["instead"].get(found, found)
    known = settings["languages"]
    chosen = next((one for one in known if _base(one) == _base(wanted)), "" if known else wanted)
    if not chosen or _base(chosen) == _base(question.language):
        return None
    return replace(question, language=chosen)


def detected(text: str) -> str:
    """Return the language of a text, or nothing if it does not show."""
    letters = sum(sign.isalpha() for sign in text)
    for language, script in SCRIPTS.items():
        if letters and len(script.findall(text)) * 2 > letters:
            return language
    words = [word.lower().replace("’", "'") for word in WORD.findall(text)]
    scores = {language: sum(word in known for word in words) for language, known in WORDS.items()}
    best, second = sorted(scores, key=lambda one: -scores[one])[:2]
    clear = scores[best] >= max(LEAST_WORDS, LEAST_SHARE * len(words)) and scores[best] > scores[second]
    return best if clear else ""


def _base(locale: str) -> str:
    return locale.partition("-")[0].lower()
