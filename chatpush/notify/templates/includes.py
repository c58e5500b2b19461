"""Put the texts that templates share into the templates that name them.

``{% include "footer" %}`` stands for the body of template ``footer``, in the
nearest language. It is looked up when the including template is saved and kept
with that version, so a message on its way keeps its words whatever happens to
the footer. A template that is to take up a changed footer is saved again.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from chatpush.errors import InvalidTemplate, NotFound, TooLarge
from chatpush.notify.templates.template_source import MAX_SOURCE_BYTES, LocaleSource, Template

DEEPEST = 5
MOST = 20
NAMED = re.compile(r"\{%[-+]?\s*include\s+(?:\"([^\"\n]{1,80})\"|'([^'\n]{1,80})')")
Find = Callable[[str], Awaitable[Template]]
"""Returns a template by its name; raises NotFound."""


def named_in(text: str) -> list[str]:
    """Return the templates a text includes, by the names written in it."""
    return list(dict.fromkeys(double or single for double, single in NAMED.findall(text)))


async def with_includes(
    name: str, sources: Mapping[str, LocaleSource], find: Find
) -> dict[str, LocaleSource]:
    """Return the sources with every text they include, directly or through others.

    Raises:
        InvalidTemplate: a name leads nowhere, in a circle or too deep; the message shows the way.
        TooLarge: there are too many, or they are too long together.
    """
    return {locale: await _complete(name, locale, source, find) for locale, source in sources.items()}


async def _complete(name: str, locale: str, source: LocaleSource, find: Find) -> LocaleSource:
    texts: dict[str, str] = {}
    for part, text in source.parts().items():
        await _follow(text, (name,), f"{locale}.{part}", texts, find)
    if sum(len(text.encode()) for text in texts.values()) > MAX_SOURCE_BYTES:
        raise TooLarge(
            f"{locale}: includes take at most {MAX_SOURCE_BYTES} bytes together", param=f"locales.{locale}"
        )
    return replace(source, includes=texts)


async def _follow(text: str, way: tuple[str, ...], place: str, texts: dict[str, str], find: Find) -> None:
    """Gather what a text includes; ``way`` is how we came to it."""
    locale = place.partition(".")[0]
    for included in named_in(text):
        path = " → ".join((*way, included))
        if included in way:
            raise InvalidTemplate(f"{place}: includes go in a circle: {path}", param=f"locales.{place}")
        if len(way) > DEEPEST:
            raise InvalidTemplate(
                f"{place}: includes are at most {DEEPEST} deep: {path}", param=f"locales.{place}"
            )
        if included not in texts:
            try:
                found = await find(included)
            except NotFound as error:
                raise InvalidTemplate(
                    f"{place}: includes {included[:64]!r}, which is not there", param=f"locales.{place}"
                ) from error
            texts[included] = found.locales[found.nearest(locale)].body
            if len(texts) > MOST:
                raise TooLarge(f"{place}: at most {MOST} includes", param=f"locales.{place}")
        await _follow(texts[included], (*way, included), place, texts, find)
