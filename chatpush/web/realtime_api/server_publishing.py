"""The publishing methods of the realtime server API: one message, one to many channels, many in a batch.

Many at once are submitted one after the other and then waited for together:
no task each, and one commit for all that goes to the disk.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Sequence
from typing import Any

import structlog
from msgspec import Raw, Struct

from chatpush.domain import TenantId
from chatpush.errors import ChatpushError, InvalidInput
from chatpush.log.contract import Cursor, Draft
from chatpush.realtime.hub import Hub
from chatpush.realtime.protocol import codec
from chatpush.realtime.protocol.codes import INTERNAL, ErrorCode, code_of
from chatpush.realtime.protocol.frames import NONE

LARGEST_BROADCAST = 10_000
Outcome = Cursor | ErrorCode
Submitted = Outcome | asyncio.Future[Cursor]
log = structlog.get_logger(__name__)


class Caller:
    """What a method works with."""

    def __init__(self, hub: Hub, version: str) -> None:
        self.hub = hub
        self.version = version


class PublishRequest(Struct):
    channel: str
    data: Raw = NONE
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] | None = None
    idempotency_key: str = ""
    delta: bool = False
    version: int = 0
    version_epoch: str = ""


class BroadcastRequest(Struct):
    channels: list[str]
    data: Raw = NONE
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] | None = None
    idempotency_key: str = ""
    delta: bool = False
    version: int = 0
    version_epoch: str = ""


class OnePublish(Struct, forbid_unknown_fields=True):
    """A command of a batch that only publishes."""

    publish: PublishRequest


class Publishes(Struct):
    """A batch of nothing but publishes."""

    commands: list[OnePublish]
    parallel: bool = False


async def publish(caller: Caller, tenant: TenantId, request: PublishRequest) -> dict[str, Any]:
    draft = _draft(request)
    return _position(await caller.hub.put(tenant, request.channel, draft, skip_history=request.skip_history))


def publish_at_once(
    caller: Caller, tenant: TenantId, request: PublishRequest
) -> Outcome | Awaitable[Outcome] | None:
    """Publish without a task if that is possible; None has done nothing."""
    hub, began = caller.hub, caller.hub.monotonic()
    try:
        draft = _draft(request)
        found = hub.submit(tenant, request.channel, draft, skip_history=request.skip_history)
    except ChatpushError as error:
        return code_of(error)
    if isinstance(found, asyncio.Future):
        return _written(hub, tenant, request.channel, found, began)
    if found is not None:
        hub.written(tenant, (request.channel,), began)
    return found


async def broadcast(caller: Caller, tenant: TenantId, request: BroadcastRequest) -> dict[str, Any]:
    """Publish the same to many channels; each has its own result or error."""
    if not 0 < len(request.channels) <= LARGEST_BROADCAST:
        raise InvalidInput(f"1 to {LARGEST_BROADCAST} channels a broadcast", param="channels")
    hub, draft = caller.hub, _draft(request)
    began = hub.monotonic()
    submitted = [_submit(hub, tenant, channel, draft, request.skip_history) for channel in request.channels]
    outcomes = await _all(submitted)
    hub.written(tenant, request.channels, began)
    return {"responses": [reply(outcome, "result") for outcome in outcomes]}


async def publish_all(caller: Caller, tenant: TenantId, batch: Publishes) -> list[dict[str, Any]]:
    """Publish a batch, in order; return a reply for each command, whatever becomes of the others."""
    hub = caller.hub
    began = hub.monotonic()
    submitted: list[Submitted] = []
    for command in batch.commands:
        request = command.publish
        try:
            draft = _draft(request)
        except ChatpushError as error:
            submitted.append(code_of(error))
            continue
        found = _submit(hub, tenant, request.channel, draft, request.skip_history)
        if not batch.parallel and isinstance(found, asyncio.Task):  # what follows must not overtake it
            await asyncio.wait((found,))
        submitted.append(found)
    outcomes = await _all(submitted)
    hub.written(tenant, [command.publish.channel for command in batch.commands], began)
    return [reply(outcome, "publish") for outcome in outcomes]


async def _written(
    hub: Hub, tenant: TenantId, channel: str, publishing: asyncio.Future[Cursor], began: float
) -> Outcome:
    await asyncio.wait((publishing,))
    hub.written(tenant, (channel,), began)
    return _outcome(publishing)


def _submit(hub: Hub, tenant: TenantId, channel: str, draft: Draft, skip_history: bool) -> Submitted:
    """Return what became of it, or what brings that; a task if the channel's keys have to be read first."""
    try:
        found = hub.submit(tenant, channel, draft, skip_history=skip_history)
    except ChatpushError as error:
        return code_of(error)
    except Exception:
        log.exception("a publication failed", channel=channel)
        return INTERNAL
    return asyncio.ensure_future(hub.put(tenant, channel, draft)) if found is None else found


async def _all(submitted: Sequence[Submitted]) -> list[Outcome]:
    """Wait for what is not there yet."""
    waiting = [one for one in submitted if isinstance(one, asyncio.Future)]
    if waiting:
        await asyncio.wait(waiting)
    return [_outcome(one) if isinstance(one, asyncio.Future) else one for one in submitted]


def _outcome(future: asyncio.Future[Cursor]) -> Outcome:
    try:
        return future.result()
    except ChatpushError as error:
        return code_of(error)
    except Exception:
        log.exception("a publication failed")
        return INTERNAL


def reply(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return a reply under this name, or an error."""
    if isinstance(outcome, ErrorCode):
        return {"error": {"code": outcome.code, "message": outcome.message}}
    return {name: _position(outcome)}


def _draft(request: PublishRequest | BroadcastRequest) -> Draft:
    """Return what a request wants to publish.

    Raises:
        InvalidInput: no data, or no JSON.
    """
    b64data = request.b64data
    data = unpacked(request.data, b64data) if b64data else bytes(request.data)
    if not data:
        raise InvalidInput("data or b64data is needed", param="data")
    return Draft(
        data=codec.compact(data, was_read=not b64data),
        tags=request.tags or None,
        idempotency_key=request.idempotency_key,
        version=request.version,
        version_epoch=request.version_epoch,
        delta=request.delta,
    )


def unpacked(data: Raw, b64data: str) -> bytes:
    """Return data that may come in Base64 instead.

    Raises:
        InvalidInput: it is not Base64.
    """
    if not b64data:
        return bytes(data)
    try:
        return base64.b64decode(b64data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("b64data is not Base64", param="b64data") from error


def _position(position: Cursor) -> dict[str, Any]:
    return {"offset": position.offset, "epoch": position.epoch} if position.offset else {}
