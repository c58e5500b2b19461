"""``chatpush dead-letters`` against a running chatpush, a mail server that refuses, and its own mistakes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chatpush.cli.dead_letters import dead_letters
from chatpush.cli.main import cli
from chatpush.errors import ChatpushError
from tests.channels.peers import MailServer, mailing
from tests.serving import Served, serving
from tests.waiting import until


@dataclass
class Office:
    """A running chatpush and the mail server it sends through."""

    served: Served
    mail: MailServer

    async def call(self, *arguments: str, text: str | None = None) -> Result:
        """Run a command in a thread, as a person would in another window."""
        command = [*arguments, "--url", self.served.url, "--key", self.served.secret]
        return await asyncio.to_thread(CliRunner().invoke, dead_letters, command, text)

    async def send(self, user: str) -> None:
        """Send a letter to a user."""
        body = {"endpoints": {"email": [f"{user}@example.com"]}}
        await self.served.told("PUT", f"/v1/users/{user}", body)
        sent = {"content": {"title": "Margin call"}, "to": [{"user": user}], "channels": ["email"]}
        await self.served.told("POST", "/v1/messages", sent)

    async def ids(self, count: int) -> list[str]:
        """Wait for so many dead letters; return their ids, newest first."""

        async def found() -> list[str]:
            page = await self.served.told("GET", "/v1/dead-letters")
            return [one["id"] for one in page["data"]] if len(page["data"]) == count else []

        return await until(found)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with mailing() as (mail, port):
        mail.refuse_data = "554 5.7.1 refused by policy for <emma@example.com>"
        email = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "shop@example.com"}
        async with serving(tmp_path, channels={"email": email}) as served:
            yield Office(served, mail)


async def test_letters_are_listed_shown_and_sent_again(office: Office) -> None:
    assert "no dead letters" in (await office.call("list")).output
    await office.send("emma")
    (one,) = await office.ids(1)
    listed = (await office.call("list", "--channel", "email", "--user", "emma")).output
    assert one in listed
    assert "the mail server answered 554: 5.7.1 refused by policy for" in " ".join(listed.split())
    assert "no dead letters that fit" in (await office.call("list", "--user", "noah")).output
    shown = " ".join((await office.call("show", one)).output.split())
    assert "email to emma" in shown
    assert "1 attempts; last answer: the mail server answered" in shown
    assert "554" in shown
    assert "emma@example.com" not in shown
    office.mail.refuse_data = ""
    assert "1 sent again" in (await office.call("redrive", one)).output
    await until(lambda: office.mail.letters)
    assert office.mail.letters[0].rcpt_tos == ["emma@example.com"]
    assert "no dead letters" in (await office.call("list")).output
    assert one in (await office.call("list", "--redriven")).output


async def test_many_are_sent_again_or_given_up_at_once(office: Office) -> None:
    for user in ("emma", "noah", "ada"):
        await office.send(user)
    newest, *_ = await office.ids(3)
    asked = await office.call("drop", "--channel", "email", text="n\n")
    assert asked.exit_code == 1
    assert len(await office.ids(3)) == 3
    assert "1 dropped" in (await office.call("drop", newest)).output
    office.mail.refuse_data = ""
    assert "2 sent again" in (await office.call("redrive", "--channel", "email")).output
    await until(lambda: len(office.mail.letters) == 2)
    office.mail.refuse_data = "554 no"
    await office.send("emma")
    await office.ids(1)
    assert "1 dropped" in (await office.call("drop", "--user", "emma", "--yes")).output


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("redrive",), "--channel"),
        (("drop", "--yes"), "--channel"),
        (("redrive", "msg_1"), "dead-letters list"),
        (("show", "../users"), "dead-letters list"),
        (("show", "dead_0000000000000000000000"), "no dead letter"),
        (("redrive", *(["dead_x"] * 501)), "at most 500"),
    ],
)
async def test_nonsense_is_one_helpful_line(office: Office, words: tuple[str, ...], remedy: str) -> None:
    refused = (await office.call(*words)).exception
    assert isinstance(refused, ChatpushError)
    assert remedy in refused.message
    assert "\n" not in refused.message


def test_an_unknown_option_ends_with_two() -> None:
    result = CliRunner().invoke(cli, ["dead-letters", "list", "--limit", "many"])
    assert result.exit_code == 2
    assert "--limit" in result.output
