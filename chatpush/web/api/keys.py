"""Issue, list and revoke API keys over HTTP.

A key can't give what it does not have, and a tenant sees no keys but its own.
"""

from typing import Literal

from pydantic import BaseModel, Field

from chatpush.account.keys import LONGEST_NAME, IssuedKey, Key, Keys
from chatpush.domain import Role, iso
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations

routes = Operations("keys")
ADMINS = Door(scope="keys:write", role=Role.ADMIN)


class KeyIn(Body):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="What it is for.")
    kind: Literal["sk", "pk"] = Field(
        "sk", description="sk: secret, for servers. pk: publishable, for pages."
    )
    scopes: list[str] = Field(default_factory=list, max_length=50, description="What it opens; sk only.")


class KeyOut(BaseModel):
    """What is known of a key."""

    id: str
    kind: Literal["sk", "pk"]
    name: str
    hint: str = Field(description="Its last characters.")
    scopes: list[str]
    created_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None


class IssuedKeyOut(KeyOut):
    """A new key; ``key`` is shown this once."""

    key: str


class KeyList(BaseModel):
    """All keys of the tenant, newest first."""

    data: list[KeyOut]


@routes.post("/v1/keys", door=ADMINS, status=201)
async def issue_key(call: Call, body: KeyIn) -> IssuedKeyOut:
    """Issue an API key; its plain text is in this answer and nowhere else."""
    issued = await call.need(Keys).issue(
        call.identity.tenant, body.name, kind=body.kind, scopes=body.scopes, by=call.identity
    )
    return _issued(issued)


@routes.get("/v1/keys", door=ADMINS)
async def list_keys(call: Call) -> KeyList:
    """List API keys, revoked ones included."""
    return KeyList(data=[_out(key) for key in await call.need(Keys).list(call.identity.tenant)])


@routes.delete("/v1/keys/{id}", door=ADMINS)
async def revoke_key(call: Call) -> None:
    """Revoke an API key, at once on this node and within seconds on others."""
    await call.need(Keys).revoke(call.identity.tenant, call.path["id"], by=call.identity)


def _out(key: Key) -> KeyOut:
    return KeyOut(
        id=key.id,
        kind=key.kind,
        name=key.name,
        hint=key.hint,
        scopes=list(key.scopes),
        created_at=iso(key.created_at),
        used_at=iso(key.used_at) if key.used_at else None,
        revoked_at=iso(key.revoked_at) if key.revoked_at else None,
    )


def _issued(issued: IssuedKey) -> IssuedKeyOut:
    return IssuedKeyOut(**_out(issued.key).model_dump(), key=issued.plaintext)
