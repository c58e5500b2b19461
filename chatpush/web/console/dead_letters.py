"""Dead letters: what could not be sent, what the provider said, and sending it again."""

from urllib.parse import urlencode

from aiohttp import web

from chatpush.domain import Role
from chatpush.notify.listing import Window
from chatpush.notify.sending.dead_letters import DeadLetter, DeadLetters, Which
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
LOOK = Door(role=Role.VIEWER)
EDIT = Door(role=Role.EDITOR)
PLACE = "/console/deliveries/dead-letters"
PER_PAGE = 50
LONGEST = 128


@pages.get(PLACE, door=LOOK)
async def list_page(visit: Visit) -> web.StreamResponse:
    """Show dead letters, newest first."""
    return visit.draw("dead_letters.html", letters=await _letters(visit))


@pages.get(PLACE + "/{id}", door=LOOK)
async def letter_page(visit: Visit) -> web.StreamResponse:
    """Show one with its attempts."""
    letters = visit.need(DeadLetters)
    one = await letters.get(visit.tenant, visit.path["id"])
    tries = tuple(
        models.LetterTry(each.at, each.verdict, each.said) for each in await letters.tries(visit.tenant, one)
    )
    return visit.draw("dead_letter.html", letter=_line(one), tries=tries)


@pages.post(PLACE + "/redrive", door=EDIT)
async def redrive(visit: Visit) -> web.StreamResponse:
    """Send those that are ticked again, or all that fit."""
    count = await visit.need(DeadLetters).redrive_many(visit.tenant, _which(visit))
    return visit.go(f"{PLACE}?{urlencode({'redriven': count})}")


@pages.post(PLACE + "/drop", door=EDIT)
async def drop(visit: Visit) -> web.StreamResponse:
    """Give those that are ticked up."""
    count = await visit.need(DeadLetters).drop_many(visit.tenant, _which(visit))
    return visit.go(f"{PLACE}?{urlencode({'dropped': count})}")


def _which(visit: Visit) -> Which:
    """Return what the form names: ticked letters, or a filter's letters."""
    form = visit.form
    return Which(
        tuple(form.get("ids", "").split()), form.get("message", "")[:LONGEST], form.get("channel", "")[:LONGEST],
        form.get("user", "")[:LONGEST],
    )  # fmt: skip


async def _letters(visit: Visit) -> models.DeadLetterList:
    letters = visit.need(DeadLetters)
    channel, user, message = (visit.query(name)[:LONGEST].strip() for name in ("channel", "user", "message"))
    filters = models.LetterFilter(channel, user, message, visit.query("again") == "yes")
    found = await letters.list(
        visit.tenant, Window(PER_PAGE, starting_after=visit.query("before")[:64]),
        Which(channel=channel, user=user, message=message), redriven=filters.again,
    )  # fmt: skip
    lines = tuple(_line(one) for one in found.data)
    asked = {"channel": channel, "user": user, "message": message, "again": "yes" if filters.again else ""}
    older = urlencode({**asked, "before": lines[-1].id}) if found.has_more else ""
    known = {*await letters.channels(visit.tenant), channel} - {""}
    done = next((name for name in ("redriven", "dropped") if visit.query(name).isdecimal()), "")
    return models.DeadLetterList(
        lines, tuple(sorted(known)), filters, older, done, visit.query(done)[:9] if done else ""
    )


def _line(one: DeadLetter) -> models.DeadLetterLine:
    return models.DeadLetterLine(
        one.id,
        one.delivery,
        one.message,
        one.user,
        one.channel,
        one.reason,
        one.attempts,
        one.at,
        one.redriven_at,
    )
