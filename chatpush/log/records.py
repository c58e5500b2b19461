"""How a publication becomes a sealed row and back, bound to its place in the log."""

import msgspec

from chatpush.domain import TenantId
from chatpush.errors import VaultError
from chatpush.log.contract import ClientInfo, Draft, Publication, Sealing


class _Body(msgspec.Struct, array_like=True):
    data: bytes
    tags: dict[str, str] | None
    info: tuple[str, str, bytes, bytes] | None
    key: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)
_json = msgspec.json.Encoder()


def seal(sealing: Sealing, tenant: TenantId, channel: str, epoch: str, offset: int, draft: Draft) -> bytes:
    """Return the sealed row of a draft that gets this offset."""
    info = None
    if draft.info is not None:
        given = draft.info
        info = (given.user, given.client, _json.encode(given.conn_info), _json.encode(given.chan_info))
    body = _encoder.encode(_Body(draft.data, draft.tags, info, draft.key))
    return sealing.seal(tenant, channel, _place(channel, epoch, offset), body)


def unseal(
    sealing: Sealing, tenant: TenantId, channel: str, epoch: str, offset: int, time_ms: int, sealed: bytes
) -> Publication | None:
    """Return the publication, or None if its owner's key was thrown away."""
    try:
        body = _decoder.decode(sealing.open(tenant, channel, _place(channel, epoch, offset), sealed))
    except VaultError:
        return None
    info = None
    if body.info is not None:
        user, client, conn_info, chan_info = body.info
        info = ClientInfo(user, client, msgspec.json.decode(conn_info), msgspec.json.decode(chan_info))
    return Publication(offset, body.data, time_ms, info, body.tags, body.key)


def published(draft: Draft, offset: int, time_ms: int) -> Publication:
    """Return the publication a draft becomes at this offset."""
    return Publication(offset, draft.data, time_ms, draft.info, draft.tags, draft.key, draft.delta)


def _place(channel: str, epoch: str, offset: int) -> str:
    return f"{channel}\x00{epoch}\x00{offset}"
