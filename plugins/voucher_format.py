"""Show vouchers: a code, what it is worth, and until when it holds.

A message of format ``voucher`` carries ``code`` in its data, maybe ``worth``
and ``until`` (2026-12-31). Without a code, or with a date that is none, it is
refused when it is accepted; readers whose app does not know the format read
title and body.

>>> [voucher] = plugins.formats()
>>> made = Content("For you", "Ten percent off", format="voucher", data={"code": " ten-26 ", "until": "2026-12-31"})
>>> run(voucher.shape(made)).data
{'code': 'TEN-26', 'worth': '', 'until': '2026-12-31'}
>>> run(voucher.shape(Content("For you", "", format="voucher")))
Traceback (most recent call last):
chatpush.errors.InvalidInput: a voucher has a code of 3 to 32 letters, digits and dashes
"""

import re
from dataclasses import replace
from datetime import date

from chatpush.domain import Content
from chatpush.errors import InvalidInput
from chatpush.plugins.contracts import Format
from chatpush.plugins.hooks import hook

CODE = re.compile(r"[A-Z0-9-]{3,32}")
LONGEST_WORTH = 40


class Voucher:
    """The format of vouchers."""

    name = "voucher"

    async def shape(self, content: Content) -> Content:
        """Return the voucher with its code in capitals, and nothing else in its data."""
        code = str(content.data.get("code", "")).strip().upper()
        if not CODE.fullmatch(code):
            raise InvalidInput(
                "a voucher has a code of 3 to 32 letters, digits and dashes", param="data.code"
            )
        until = str(content.data.get("until", ""))
        if until:
            try:
                date.fromisoformat(until)
            except ValueError as error:
                raise InvalidInput("until is a date such as 2026-12-31", param="data.until") from error
        worth = str(content.data.get("worth", ""))[:LONGEST_WORTH]
        return replace(content, data={"code": code, "worth": worth, "until": until})


@hook
def register_formats() -> list[Format]:
    """Return the format."""
    return [Voucher()]
