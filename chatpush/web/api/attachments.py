"""Files in conversations: a user uploads them before sending a turn; only that user and agents open them.

The body of an upload is the file itself. What comes out is never shown as a page
of ours: it is a download, of the type that was found in it, under a policy that
runs nothing.
"""

import asyncio
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, Field

from chatpush.domain import ConversationId, Role
from chatpush.errors import InvalidInput, TooLarge
from chatpush.support.conversations.attachments import Attachments
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.web.api.my_conversations import own_conversation
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations, Query

routes = Operations("attachments")
MINE = Door(user=True)
UPLOAD_SECONDS = 120.0
AGENTS = Door(scope="conversations:read", role=Role.AGENT)


class UploadQuery(Query):
    """What the file is called."""

    name: str = Field("file", max_length=255, description="Its name; the type is told by what is in it.")


class AttachmentOut(BaseModel):
    """A file that was taken in; send it by its id with a turn. ``size`` is in bytes."""

    id: str
    name: str
    type: str
    size: int
    url: str


@routes.post("/v1/me/conversations/{id}/attachments", door=MINE, status=201, takes="*/*")
async def upload_attachment(call: Call, query: UploadQuery) -> AttachmentOut:
    """Upload a file, the request's body, to be sent with a turn."""
    conversation, files = await own_conversation(call), call.need(Attachments)
    made = await files.add(conversation, query.name, await _body(call.request, files.rules.max_bytes))
    url = f"/v1/me/conversations/{conversation.id}/attachments/{made.id}"
    return AttachmentOut(id=made.id, name=made.name, type=made.type, size=made.size, url=url)


@routes.get("/v1/me/conversations/{id}/attachments/{attachment}", door=MINE, media="*/*", download=True)
async def download_my_attachment(call: Call) -> web.Response:
    """Return a file of my conversation."""
    return await _download(call, await own_conversation(call))


@routes.delete("/v1/me/conversations/{id}/attachments/{attachment}", door=MINE)
async def drop_my_attachment(call: Call) -> None:
    """Take back a file that I have not sent."""
    await call.need(Attachments).drop(await own_conversation(call), call.path["attachment"])


@routes.get("/v1/conversations/{id}/attachments/{attachment}", door=AGENTS, media="*/*", download=True)
async def download_attachment(call: Call) -> web.Response:
    """Return a file of a conversation."""
    conversation = ConversationId(call.path["id"])
    return await _download(call, await call.need(Conversations).get(call.identity.tenant, conversation))


async def _download(call: Call, conversation: Conversation) -> web.Response:
    found, body = await call.need(Attachments).read(conversation, call.path["attachment"])
    return web.Response(
        body=body,
        content_type=found.type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, no-store",
        },
    )


async def _body(request: web.Request, most: int) -> bytes:
    """Read the file, and no more than one chunk beyond what may come."""
    if (request.content_length or 0) > most:
        raise TooLarge(f"a file has at most {most} bytes")
    pieces, size = [], 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for piece in request.content.iter_chunked(65_536):
                size += len(piece)
                if size > most:
                    raise TooLarge(f"a file has at most {most} bytes")
                pieces.append(piece)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"a file must arrive within {UPLOAD_SECONDS:g} seconds") from None
    if not size:
        raise InvalidInput("the file is empty", param="file")
    return b"".join(pieces)
