"""Fetch a JWKS document for token verification: quickly, without redirects, of a sane size."""

from aiohttp import ClientError, ClientSession, ClientTimeout

from chatpush.errors import Unavailable

SECONDS = 5.0
LARGEST_BYTES = 262_144


async def fetch(url: str) -> bytes:
    """Return the document.

    Raises:
        Unavailable: the endpoint does not answer with one in time.
    """
    try:
        async with (
            ClientSession(timeout=ClientTimeout(SECONDS)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise Unavailable(f"the JWKS endpoint answered {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LARGEST_BYTES:
                    raise Unavailable("the JWKS document is too large")
            return bytes(body)
    except (ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"the JWKS endpoint can't be reached: {error}") from error
