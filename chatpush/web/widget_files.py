"""Hand out the widget: a small loader that pages ask for often, and files they ask for once.

``/widget.js`` is the loader, with an ETag. What it fetches below ``/widget/`` is
named by its content and never changes, so browsers may keep it for a year.
``/chatpush-sw.js`` is the service worker of Web Push, allowed to serve the whole
site. All of it may be loaded by any page, and is compressed once.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

STATIC = Path(__file__).parent / "static"
LOADER = "widget.js"
WORKER = "widget/chatpush-sw.js"
SOON = "public, max-age=300"
FOREVER = "public, max-age=31536000, immutable"
KINDS = {".js": "text/javascript", ".json": "application/json"}
FOR_EVERY_PAGE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    zipped: bytes
    kind: str
    etag: str


def add_widget(app: web.Application) -> None:
    """Serve the loader, the service worker, and every file that was built with them."""
    files = {
        path.relative_to(STATIC).as_posix(): _read(path)
        for path in (STATIC / LOADER, *(STATIC / "widget").iterdir())
        if path.name != "manifest.json"
    }
    app.router.add_get("/widget.js", _serving(files[LOADER], SOON))
    worker = _serving(files.pop(WORKER), "no-cache", {"Service-Worker-Allowed": "/"})
    app.router.add_get("/chatpush-sw.js", worker)
    for name, file in files.items():
        if name != LOADER:
            app.router.add_get(f"/{name}", _serving(file, FOREVER))


def _read(path: Path) -> _File:
    body = path.read_bytes()
    zipped = gzip.compress(body, 9, mtime=0)
    return _File(body, zipped, KINDS[path.suffix], hashlib.sha256(body).hexdigest()[:16])


def _serving(file: _File, caching: str, more: dict[str, str] | None = None) -> Handler:
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding", **FOR_EVERY_PAGE, **(more or {})}

    async def serve(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == f'"{file.etag}"':
            return web.Response(status=304, headers=headers)
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        response = web.Response(
            body=file.zipped if zipped else file.body,
            content_type=file.kind,
            charset="utf-8",
            headers=headers | ({"Content-Encoding": "gzip"} if zipped else {}),
        )
        response.etag = file.etag
        return response

    return serve
