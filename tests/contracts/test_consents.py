"""Whatever keeps the records keeps every consent and every withdrawal: one contract, both databases."""

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.audience.consents import Evidence
from chatpush.notify.audience.users import UserChange, Users
from chatpush.notify.deciding.consenting import Consents, Word, after
from chatpush.store.database import Database, SqliteDatabase
from chatpush.store.migrate import DIRECTORY, migrate
from chatpush.store.postgres import PostgresDatabase
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.conftest import MASTER_KEY
from tests.servers import Postgres

EMMA = UserId("emma")


@pytest.fixture
async def users(any_database: Database, still_clock: StillClock) -> Users:
    """The users of a fresh database of each kind."""
    vault = Vault(any_database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    return Users(any_database, vault, still_clock)


async def test_the_ledger_tells_who_agreed_to_what_by_which_channel_and_what_holds_follows_from_it(
    users: Users,
) -> None:
    told = Evidence("Offers by email, please.", "203.0.113.7")
    for change, via in (
        (UserChange(channel_consents={"marketing": {"email": True}}, evidence=told), "preferences"),
        (UserChange(consents={"marketing": True}, channel_consents={"alert": {"live": False}}), "api"),
        (UserChange(channel_consents={"marketing": {"email": False}}), "one-click"),
        (UserChange(channel_consents={"marketing": {"email": False}}), "one-click"),
    ):
        await users.put(DEFAULT_TENANT, EMMA, change, via)
    ledger = await users.ledger(DEFAULT_TENANT, EMMA)
    assert [(one.category, one.channel, one.granted, one.via, one.evidence) for one in ledger] == [
        ("marketing", "email", True, "preferences", told), ("marketing", "", True, "api", None),
        ("alert", "inbox", False, "api", None), ("marketing", "email", False, "one-click", None),
    ]  # fmt: skip
    emma = await users.get(DEFAULT_TENANT, EMMA)
    assert emma.consents == {"marketing": True}
    assert emma.channel_consents == {"marketing": {"email": False}, "alert": {"inbox": False}}
    proved, _ = after(Consents(), [Word(one.category, one.granted, one.channel) for one in ledger])
    assert proved == Consents(emma.consents, emma.channel_consents)


async def test_a_withdrawal_beside_other_changes_is_never_lost(users: Users) -> None:
    await users.put(DEFAULT_TENANT, EMMA, UserChange(consents={"marketing": True, "alert": True}))
    channels = [f"channel{number}" for number in range(8)]
    await asyncio.gather(
        *(
            users.put(DEFAULT_TENANT, EMMA, UserChange(channel_consents={"marketing": {channel: False}}))
            for channel in channels
        ),
        users.put(DEFAULT_TENANT, EMMA, UserChange(consents={"alert": False})),
        users.put(DEFAULT_TENANT, EMMA, UserChange(attributes={"name": "Emma"})),
    )
    emma = await users.get(DEFAULT_TENANT, EMMA)
    assert emma.channel_consents == {"marketing": dict.fromkeys(channels, False)}
    assert emma.consents == {"marketing": True, "alert": False}
    assert len(await users.ledger(DEFAULT_TENANT, EMMA)) == 2 + 8 + 1


async def test_erasing_a_user_erases_what_they_agreed_to(users: Users, any_database: Database) -> None:
    await users.put(DEFAULT_TENANT, EMMA, UserChange(channel_consents={"marketing": {"email": True}}))
    await users.delete(DEFAULT_TENANT, EMMA)
    assert await any_database.read("SELECT * FROM consent_entry") == []
    await users.ensure(DEFAULT_TENANT, [EMMA])
    assert (await users.get(DEFAULT_TENANT, EMMA)).channel_consents == {}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        (UserChange(channel_consents={"transactional": {"email": False}}), "channel_consents.transactional"),
        (UserChange(channel_consents={"spam": {"email": False}}), "channel_consents.spam"),
        (UserChange(channel_consents={"marketing": {"e mail": False}}), "channel_consents.marketing"),
        (UserChange(channel_consents={"marketing": {f"c{n}": False for n in range(51)}}), "channel_consents.marketing"),
    ],
)  # fmt: skip
async def test_what_nobody_can_choose_is_refused(users: Users, change: UserChange, param: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await users.put(DEFAULT_TENANT, EMMA, change)
    assert refused.value.param == param
    assert await users.find(DEFAULT_TENANT, EMMA) is None


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_consents_of_before_are_of_all_channels(
    kind: str, tmp_path: Path, still_clock: StillClock, request: pytest.FixtureRequest
) -> None:
    old = tmp_path / "old"
    shutil.copytree(DIRECTORY, old)
    (old / "0086_consent_channels.sql").unlink()
    if kind == "sqlite":
        opened: Callable[..., Database] = partial(SqliteDatabase, tmp_path / "c.db", synchronous="NORMAL")
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.fresh()
        opened = partial(PostgresDatabase, url)
    before = opened(migrate=partial(migrate, directory=old))
    await before.start()
    rows = {
        "app_user": {
            "tenant": DEFAULT_TENANT, "id": EMMA, "locale": "en", "timezone": "UTC", "consents": '{"marketing": true}',
            "personalized": 1, "created_at": 1, "updated_at": 1,
        },
        "consent_entry": {
            "tenant": DEFAULT_TENANT, "id": "cns_0", "user_id": EMMA, "category": "marketing", "granted": 1,
            "via": "api", "at": 1,
        },
    }  # fmt: skip
    await before.write(lambda tx: [tx.insert(table, row) for table, row in rows.items()])
    await before.stop()
    now = opened(migrate=migrate)
    await now.start()
    try:
        users = Users(now, Vault(now, MASTER_KEY), still_clock)
        emma = await users.get(DEFAULT_TENANT, EMMA)
        assert (emma.consents, emma.channel_consents) == ({"marketing": True}, {})
        (entry,) = await users.ledger(DEFAULT_TENANT, EMMA)
        assert (entry.category, entry.channel, entry.granted) == ("marketing", "", True)
    finally:
        await now.stop()
        if kind == "postgres":
            server.drop(url)
