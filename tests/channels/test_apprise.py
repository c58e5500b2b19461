"""Apprise against real receivers: what arrives, what is refused, and what leads nowhere."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from chatpush.channels import apprise_channel
from chatpush.channels.apprise_channel import AppriseChannel
from chatpush.channels.apprise_worker import Watch
from chatpush.domain import Content
from chatpush.errors import Forbidden, InvalidInput, InvalidSettings, Unavailable
from tests.channels.peers import Receiver, hanging, mailing, message, receiving
from tests.serving import serving
from tests.waiting import until


@pytest.fixture
async def service() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def channel() -> AsyncIterator[AppriseChannel]:
    made = AppriseChannel(workers=2, seconds=5, allow_private=True)
    yield made
    await made.close()


@pytest.fixture
async def wary() -> AsyncIterator[AppriseChannel]:
    made = AppriseChannel(workers=1, seconds=5, allow_private=False)
    yield made
    await made.close()


def by_json(service: Receiver) -> str:
    """Return the receiver's address as apprise writes it."""
    return service.url.replace("http://", "json://")


async def test_a_service_gets_title_body_and_link(channel: AppriseChannel, service: Receiver) -> None:
    await channel.send(message(priority="high"), by_json(service))
    said = json.loads(service.heard[0].body)
    assert (said["title"], said["type"]) == ("Shipped", "warning")
    assert said["message"] == "Your lantern is on its way.\nSee you\n\nhttps://shop.example/7"
    await channel.send(message(content=Content("Only a title", "")), by_json(service))
    assert json.loads(service.heard[1].body)["message"] == "Only a title"


async def test_a_mail_server_gets_a_letter(channel: AppriseChannel) -> None:
    async with mailing() as (server, port):
        address = f"mailto://127.0.0.1:{port}?from=shop@example.com&to=emma@example.com&mode=insecure"
        await channel.send(message(), address)
        letter = server.letters[0].content
        assert isinstance(letter, bytes)
        assert b"Shipped" in letter


@pytest.mark.parametrize(
    ("status", "kind"), [(500, Unavailable), (429, Unavailable), (404, InvalidInput), (401, InvalidInput)]
)
async def test_answers_mean_what_they_mean(
    channel: AppriseChannel, service: Receiver, status: int, kind: type[Exception]
) -> None:
    service.answers = [lambda: web.Response(status=status)]
    with pytest.raises(kind, match=str(status)):
        await channel.send(message(), by_json(service))


async def test_who_hangs_up_or_is_not_there_is_unavailable(
    channel: AppriseChannel, service: Receiver
) -> None:
    service.answers = [ConnectionResetError]
    with pytest.raises(Unavailable, match="can't be reached"):
        await channel.send(message(), by_json(service))
    with pytest.raises(Unavailable, match="can't be reached"):
        await channel.send(message(), "json://127.0.0.1:1/x")


async def test_a_service_that_hangs_costs_its_worker_and_nobody_else(service: Receiver) -> None:
    hurried = AppriseChannel(workers=1, seconds=0.3, allow_private=True)
    await hurried.send(message(), by_json(service))
    async with hanging() as port:
        with pytest.raises(Unavailable, match=r"within 0\.3 s"):
            await hurried.send(message(), f"json://127.0.0.1:{port}/")
        await hurried.send(message(), by_json(service))
    assert len(service.heard) == 2
    await hurried.close()


@pytest.mark.parametrize("address", ["nosuch://host", "json://", "x", "", "json://" + "h" * 3000])
async def test_what_is_no_address_is_refused(channel: AppriseChannel, address: str) -> None:
    with pytest.raises(InvalidInput):
        await channel.check(address)


@pytest.mark.parametrize("address", ["dbus://", "syslog://localhost", "gnome://", "kde://"])
async def test_services_of_this_machine_are_refused(channel: AppriseChannel, address: str) -> None:
    with pytest.raises(Forbidden):
        await channel.check(address)


async def test_no_address_leads_into_our_own_network(wary: AppriseChannel, service: Receiver) -> None:
    port = service.url.rpartition(":")[2].partition("/")[0]
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "2130706433"):
        with pytest.raises((Forbidden, InvalidInput, Unavailable)) as raised:
            await wary.send(message(), f"json://{host}:{port}/hook")
        assert "sent" not in str(raised.value)
    with pytest.raises(Forbidden, match="private network"):
        await wary.send(message(), f"json://user:secret@localhost:{port}/hook")
    with pytest.raises(Forbidden):
        await wary.send(message(), f"mailto://127.0.0.1:{port}?from=a@b.example&to=c@d.example&mode=insecure")
    assert service.heard == []


async def test_no_file_of_ours_is_read(channel: AppriseChannel, service: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    with pytest.raises((Forbidden, InvalidInput, Unavailable)):
        await channel.send(message(), f"fcm://project/token?mode=oauth2&keyfile={secret}")


def test_the_watch_looks_at_every_connection() -> None:
    watch = Watch()
    for event, arguments in [
        ("socket.connect", (None, ("10.0.0.1", 80))),
        ("socket.connect", (None, ("fe80::1", 80, 0, 3))),
        ("socket.connect", (None, ("localhost", 80))),
        ("socket.connect", (None, "/run/docker.sock")),
        ("socket.sendto", (None, ("169.254.169.254", 53))),
        ("subprocess.Popen", ("sh",)),
        ("open", ("/etc/passwd", "r", 0)),
    ]:
        watch.refused = False
        with pytest.raises(PermissionError):
            watch(event, arguments)
        assert watch.refused
    watch("socket.connect", (None, ("8.8.8.8", 443)))
    watch("open", (os.__file__, "r", 0))
    watch("open", (3, "r", 0))


def test_without_apprise_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_channel, "find_spec", lambda _name: None)
    with pytest.raises(InvalidSettings, match=r"chatpush\[apprise\]"):
        AppriseChannel(workers=1, seconds=1, allow_private=False)


async def test_a_user_brings_an_address_if_the_operator_allows(tmp_path: Path, service: Receiver) -> None:
    mine = {"channel": "apprise", "address": by_json(service)}
    apprise = {"enabled": True, "from_users": True, "workers": 1}
    async with serving(tmp_path, channels={"allow_private": True, "apprise": apprise}) as served:
        await served.told("POST", "/v1/me/endpoints", mine, user="emma")
        sent = {"to": [{"user": "emma"}], "channels": ["apprise"], "content": {"title": "Hello"}}
        await served.told("POST", "/v1/messages", sent)
        await until(lambda: service.heard)
        wrong = {"channel": "apprise", "address": "nosuch://x"}
        await served.told("POST", "/v1/me/endpoints", wrong, user="emma", status=422)


async def test_the_app_brings_addresses_that_users_may_not(tmp_path: Path, service: Receiver) -> None:
    apprise = {"enabled": True, "workers": 1}
    async with serving(tmp_path, channels={"apprise": apprise}) as served:
        mine = {"channel": "apprise", "address": by_json(service)}
        await served.told("POST", "/v1/me/endpoints", mine, user="emma", status=422)
        await served.told("PUT", "/v1/users/emma", {"endpoints": {"apprise": [by_json(service)]}})
        sent = {"to": [{"user": "emma"}], "channels": ["apprise"], "content": {"title": "Hello"}}
        await served.told("POST", "/v1/messages", sent)

        async def buried() -> list[dict[str, str]]:
            letters = await served.told("GET", "/v1/dead-letters?channel=apprise")
            found: list[dict[str, str]] = letters["data"]
            return found

        (letter,) = await until(buried)
        assert "private network" in letter["reason"]
        assert service.url.partition("//")[2] not in letter["reason"]
        assert service.heard == []
