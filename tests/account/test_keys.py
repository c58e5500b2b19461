"""Keys are shown once, found by their hash, and open what their scopes say."""

from datetime import timedelta

import pytest

from chatpush.account.audit import Audit
from chatpush.account.keys import REMEMBER_SECONDS, Keys
from chatpush.domain import Identity, IdentityKind, TenantId
from chatpush.errors import Forbidden, InvalidInput, NotFound, Unavailable
from chatpush.store.database import Database
from tests.clocks import StillClock


async def test_a_secret_key_is_found_with_its_scopes(
    keys: Keys, database: Database, tenant: TenantId
) -> None:
    issued = await keys.issue(tenant, "server", scopes=["messages:write", "users:read", "users:read"])
    assert issued.plaintext.startswith("sk_")
    identity = await keys.find(issued.plaintext)
    assert identity is not None
    assert (identity.tenant, identity.kind, identity.subject) == (tenant, IdentityKind.KEY, issued.key.id)
    assert identity.scopes == {"messages:write", "users:read"}
    stored = str(await database.read("SELECT * FROM api_key"))
    assert issued.plaintext[3:] not in stored


async def test_a_publishable_key_only_tells_the_tenant(keys: Keys) -> None:
    acme = TenantId("acme")
    identity = await keys.find((await keys.issue(acme, "page", kind="pk")).plaintext)
    assert identity is not None
    assert (identity.tenant, identity.kind, identity.scopes) == (acme, IdentityKind.ANONYMOUS, frozenset())


@pytest.mark.parametrize(
    "text", ["", "sk_", "sk_short", "xk_" + "a" * 43, "sk_" + "a" * 43, "pk_" + "退" * 43]
)
async def test_unknown_and_malformed_keys_find_nobody(keys: Keys, text: str) -> None:
    assert await keys.find(text) is None


async def test_a_revoked_key_dies_at_once_here_and_within_seconds_elsewhere(
    keys: Keys, elsewhere: Keys, tenant: TenantId, still_clock: StillClock
) -> None:
    issued = await keys.issue(tenant, "server", scopes=["*"])
    assert await keys.find(issued.plaintext)
    assert await elsewhere.find(issued.plaintext)
    await keys.revoke(tenant, issued.key.id)
    assert await keys.find(issued.plaintext) is None
    still_clock.forward(timedelta(seconds=REMEMBER_SECONDS))
    assert await elsewhere.find(issued.plaintext) is None


async def test_a_tenant_sees_and_revokes_only_its_own(keys: Keys, tenant: TenantId) -> None:
    issued = await keys.issue(tenant, "server", scopes=["*"])
    other = TenantId("other")
    with pytest.raises(NotFound):
        await keys.revoke(other, issued.key.id)
    assert await keys.list(other) == []
    assert [key.name for key in await keys.list(tenant)] == ["server"]


async def test_the_last_use_is_noted_by_the_minute(
    keys: Keys, tenant: TenantId, still_clock: StillClock
) -> None:
    issued = await keys.issue(tenant, "server", scopes=["*"])
    assert issued.key.used_at is None
    used = []
    for _ in range(4):
        await keys.find(issued.plaintext)
        used.append((await keys.list(tenant))[0].used_at)
        still_clock.forward(timedelta(seconds=30))
    start = still_clock.moment - timedelta(seconds=120)
    assert used == [start, start, start + timedelta(seconds=60), start + timedelta(seconds=60)]


async def test_a_full_write_queue_does_not_refuse_a_key(
    keys: Keys, database: Database, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await keys.issue(tenant, "server", scopes=["*"])

    async def full(job: object) -> None:
        raise Unavailable("full")

    monkeypatch.setattr(database, "write", full)
    assert await keys.find(issued.plaintext)


@pytest.mark.parametrize(
    ("name", "kind", "scopes", "param"),
    [("", "sk", ["*"], "name"), ("x" * 101, "sk", ["*"], "name"), ("a", "xk", ["*"], "kind"),
     ("a", "sk", [], "scopes"), ("a", "sk", ["everything"], "scopes"), ("a", "pk", ["*"], "scopes")],
)  # fmt: skip
async def test_bad_keys_are_refused(
    keys: Keys, tenant: TenantId, name: str, kind: str, scopes: list[str], param: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await keys.issue(tenant, name, kind=kind, scopes=scopes)
    assert caught.value.param == param


async def test_a_key_gives_no_more_than_it_has(keys: Keys, tenant: TenantId) -> None:
    small = Identity(tenant, IdentityKind.KEY, "key_1", frozenset({"keys:write", "usage:read"}))
    await keys.issue(tenant, "child", scopes=["usage:read"], by=small)
    for beyond in ("*", "messages:write"):
        with pytest.raises(Forbidden, match="can't give"):
            await keys.issue(tenant, "child", scopes=[beyond], by=small)


@pytest.fixture
def elsewhere(database: Database, still_clock: StillClock, audit: Audit) -> Keys:
    """The same keys as another node sees them."""
    return Keys(database, still_clock, audit)
