"""Which pages may open a connection: their own site's, and the allowed ones, exactly."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from chatpush.errors import Forbidden


def check_origin(request: web.Request, allowed: Iterable[str]) -> None:
    """Refuse foreign pages (cross-site WebSocket hijacking); programs send no Origin.

    Raises:
        Forbidden: the page's origin is neither this site's nor allowed.
    """
    origin = request.headers.get("Origin", "")
    if not origin:
        return
    origins = set(allowed)
    if "*" in origins or origin in origins:
        return
    parts = urlsplit(origin)
    if parts.scheme in ("http", "https") and parts.netloc and parts.netloc == request.host:
        return
    raise Forbidden(f"the origin {origin} may not connect; add it to client.allowed_origins")
