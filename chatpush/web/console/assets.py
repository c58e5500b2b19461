"""Serve the console's own files: read once, named by their fingerprint, kept for ever by browsers."""

import hashlib
import mimetypes
from functools import cache

from aiohttp import web

from chatpush.web.console.pages import Pages, Visit
from chatpush.web.console.render import STATIC
from chatpush.web.http.doors import Door

pages = Pages()
FOREVER = "public, max-age=31536000, immutable"
SERVED = {".css", ".js", ".svg"}


@cache
def files() -> dict[str, tuple[bytes, str, str]]:
    """Return path → (content, media type, entity tag) of every file browsers may have."""
    found = {}
    for file in sorted(STATIC.rglob("*")):
        if file.suffix not in SERVED:
            continue
        content = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        path = file.relative_to(STATIC).as_posix()
        found[path] = (content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


@pages.get("/console/static/{path:.+}", door=Door(anyone=True))
async def asset(visit: Visit) -> web.StreamResponse:
    """Return a file."""
    found = files().get(visit.path["path"])
    if found is None:
        raise web.HTTPNotFound
    content, kind, tag = found
    headers = {"ETag": tag, "Cache-Control": FOREVER if visit.query("v") else "no-cache"}
    if visit.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    charset = "utf-8" if not kind.startswith("image/") else None
    return web.Response(body=content, content_type=kind, charset=charset, headers=headers)
