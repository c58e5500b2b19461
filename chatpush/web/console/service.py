"""Service: teams with their hours and targets, agents with what they can, and the ready answers."""

from collections.abc import Mapping

from aiohttp import web

from chatpush.account.people import People
from chatpush.domain import Role
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.settings import Settings
from chatpush.support.people.canned import CannedAnswer, CannedAnswers
from chatpush.support.people.office_hours import DAYS, office_hours
from chatpush.support.people.teams import Agent, Assignment, Targets, Team, TeamDraft, Teams
from chatpush.support.retrieval.language import base
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit
from chatpush.web.http.doors import Door

pages = Pages()
ADMIN = Door(role=Role.ADMIN)
ANSWER = Door(role=Role.AGENT)
EDIT = Door(role=Role.EDITOR)
TEAMS, CANNED = "/console/settings/teams", "/console/settings/canned"
MINUTE_SECONDS = 60
ENGLISH, CHINESE = "en", "zh-CN"
TEXT = "text:"


@pages.get(TEAMS, door=ADMIN)
async def teams_page(visit: Visit) -> web.StreamResponse:
    """Show the teams and everybody who answers."""
    return await _draw(visit, {})


@pages.get(TEAMS + "/{id}", door=ADMIN)
async def team_page(visit: Visit) -> web.StreamResponse:
    """Show one team in the form."""
    team = await visit.need(Teams).get(visit.tenant, visit.path["id"])
    return await _draw(visit, _typed(team))


@pages.post(TEAMS, door=ADMIN)
async def save_team(visit: Visit) -> web.StreamResponse:
    """Make a team, or change one."""
    try:
        await visit.need(Teams).put(visit.tenant, _draft(visit.form), visit.form.get("id", ""))
    except ChatpushError as error:
        return await _draw(visit, dict(visit.form), error.message)
    return visit.go(TEAMS)


@pages.post(TEAMS + "/{id}/delete", door=ADMIN)
async def delete_team(visit: Visit) -> web.StreamResponse:
    """Delete a team."""
    await visit.need(Teams).delete(visit.tenant, visit.path["id"])
    return visit.go(TEAMS)


@pages.post("/console/settings/agents/{id}", door=ADMIN)
async def save_agent(visit: Visit) -> web.StreamResponse:
    """Say what a person does as an agent."""
    form = visit.form
    try:
        capacity = int(form.get("capacity", "") or 0)
    except ValueError as error:
        raise InvalidInput("capacity is a number of conversations", param="capacity") from error
    agent = Agent(
        visit.path["id"], tuple(form.get("teams", "").split()), _words(form.get("skills", "")),
        _words(form.get("languages", "")), capacity,
    )  # fmt: skip
    try:
        await visit.need(Teams).put_agent(visit.tenant, agent)
    except ChatpushError as error:
        return await _draw(visit, {}, error.message)
    return visit.go(TEAMS)


@pages.get(CANNED, door=ANSWER)
async def canned_page(visit: Visit) -> web.StreamResponse:
    """Show the ready answers."""
    return await _draw_canned(visit, {})


@pages.post(CANNED, door=EDIT)
async def save_canned(visit: Visit) -> web.StreamResponse:
    """Keep a ready answer."""
    form = visit.form
    texts = {name.removeprefix(TEXT): text for name, text in form.items() if name.startswith(TEXT)}
    if form.get("new_text", "").strip():
        texts[form.get("new_locale", "").strip()] = form["new_text"]
    given = {locale: text.strip() for locale, text in texts.items() if text.strip()}
    try:
        await visit.need(CannedAnswers).put(visit.tenant, form.get("shortcut", ""), given)
    except ChatpushError as error:
        return await _draw_canned(visit, dict(form), error.message)
    return visit.go(CANNED)


@pages.post(CANNED + "/{shortcut}/delete", door=EDIT)
async def delete_canned(visit: Visit) -> web.StreamResponse:
    """Forget a ready answer."""
    await visit.need(CannedAnswers).delete(visit.tenant, visit.path["shortcut"])
    return visit.go(CANNED)


async def _draw_canned(visit: Visit, typed: dict[str, str], problem: str = "") -> web.Response:
    answers = await visit.need(CannedAnswers).list(visit.tenant)
    wanted = visit.query("shortcut")
    chosen = next((one for one in answers if one.shortcut == wanted), None)
    if chosen and not typed:
        typed = {"shortcut": chosen.shortcut} | {TEXT + name: text for name, text in chosen.locales.items()}
    return visit.draw(
        "settings_canned.html", status=422 if problem else 200, answers=answers, typed=typed, problem=problem,
        locales=await _locales(visit, answers, typed),
    )  # fmt: skip


async def _locales(visit: Visit, answers: list[CannedAnswer], typed: dict[str, str]) -> list[str]:
    """Return the locales a tenant writes in: both of the console, those of its greeting, teams and answers."""
    known = {name.removeprefix(TEXT) for name in typed if name.startswith(TEXT)}
    known |= {locale for answer in answers for locale in answer.locales}
    known |= set(visit.need(Settings).support.greeting)
    known |= {language for team in await visit.need(Teams).list(visit.tenant) for language in team.languages}
    own = [next((one for one in known if base(one) == base(usual)), usual) for usual in (ENGLISH, CHINESE)]
    taken = {base(one) for one in own}
    return own + sorted(one for one in known if one not in own and (base(one) not in taken or "-" in one))


async def _draw(visit: Visit, typed: dict[str, str], problem: str = "") -> web.Response:
    teams = await visit.need(Teams).list(visit.tenant)
    known = {agent.person: agent for agent in await visit.need(Teams).agents(visit.tenant)}
    people = [one for one in await visit.need(People).list(visit.tenant) if one.role.covers(Role.AGENT)]
    now = visit.shell.now
    agents = []
    for person in people:
        agent = known.get(person.id, Agent(person.id))
        presence = "offline" if not agent.present(now) else "away" if agent.away else "online"
        agents.append(
            models.AgentLine(
                person.id, person.name, person.email, presence, agent.load, agent.capacity, agent.teams,
                ", ".join(agent.skills), ", ".join(agent.languages),
            )
        )  # fmt: skip
    lines = [
        models.TeamLine(
            team.id, team.name, ", ".join(team.skills), ", ".join(team.languages), team.assignment,
            team.hours.is_open(now), team.hours.zone, sum(team.id in agent.teams for agent in agents),
        )
        for team in teams
    ]  # fmt: skip
    return visit.draw(
        "settings_teams.html", status=422 if problem else 200, teams=lines, agents=agents, typed=typed,
        problem=problem, days=DAYS, ways=[way.value for way in Assignment],
    )  # fmt: skip


def _draft(form: Mapping[str, str]) -> TeamDraft:
    week = {
        day: [span for span in form.get(day, "").replace("，", ",").split(",") if span.strip()]
        for day in DAYS
    }
    hours = office_hours(
        {
            "zone": form.get("zone", "").strip(),
            "week": {day: spans for day, spans in week.items() if spans},
            "holidays": form.get("holidays", "").replace(",", " ").split(),
        }
    )
    return TeamDraft(
        form.get("name", ""), _words(form.get("skills", "")), _words(form.get("languages", "")), hours,
        Assignment(form.get("assignment") or Assignment.MANUAL),
        Targets(*(_minutes(form.get(name, ""), name) for name in ("first", "next", "resolution"))),
    )  # fmt: skip


def _minutes(text: str, name: str) -> int:
    try:
        return round(float(text or 0) * MINUTE_SECONDS)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{name}: write a number of minutes", param=name) from error


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("，", ",").split(",") if word.strip())


def _typed(team: Team) -> dict[str, str]:
    targets = {"first": team.targets.first, "next": team.targets.next, "resolution": team.targets.resolution}
    return {
        "id": team.id, "name": team.name, "skills": ", ".join(team.skills),
        "languages": ", ".join(team.languages), "assignment": team.assignment.value, "zone": team.hours.zone,
        "holidays": ", ".join(team.hours.holidays),
        **{day: ", ".join(spans) for day, spans in team.hours.week.items()},
        **{name: f"{seconds / MINUTE_SECONDS:g}" for name, seconds in targets.items() if seconds},
    }  # fmt: skip
