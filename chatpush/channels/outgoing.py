"""Call addresses that others chose, without letting them choose our own network.

Names are resolved here and only public addresses are connected to, so a name
that points inside, now or later, leads nowhere. Redirects are not followed,
cookies and the environment's proxies and credentials are not used.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from chatpush.errors import Forbidden, InvalidInput, TooLarge, Unavailable

LONGEST_URL = 2048
LARGEST_ANSWER = 65_536
LONGEST_PAUSE_SECONDS = 86_400
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the public addresses of a name.

        Raises:
            OSError: it has none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
            if self._allow_private or is_public(str(address[0]))
        ]  # fmt: skip
        if not results:
            raise OSError(None, f"{host} has no public address")
        return results

    async def close(self) -> None:
        """Nothing is held."""


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if parsed.teredo is not None:
            return False
    return parsed.is_global and not parsed.is_multicast


def checked_url(url: str, *, allow_private: bool = False, param: str = "url") -> str:
    """Return an address that may be called.

    Raises:
        InvalidInput: it is no https address, or carries a name and password.
        Forbidden: its host is a number inside our own network.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"not an address: {error}", param=param) from error
    allowed = ("http", "https") if allow_private else ("https",)
    if parts.scheme not in allowed or not parts.hostname or len(url) > LONGEST_URL or port == 0:
        raise InvalidInput(
            f"an address begins with https:// and has at most {LONGEST_URL} characters", param=param
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("an address has no name or password in it", param=param)
    if not allow_private and _is_number(parts.hostname) and not is_public(parts.hostname):
        raise Forbidden("this address is inside a private network", param=param)
    return url


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return what an answer's Retry-After asks for, in seconds, at most a day; dates are passed over."""
    given = headers.get("retry-after", "").strip()
    return min(int(given), LONGEST_PAUSE_SECONDS) if given.isdecimal() and len(given) < 10 else None


def _is_number(host: str) -> bool:
    """Whether a host needs no resolving; the resolver never sees those."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class Outgoing:
    """One client session for all outgoing calls, made when first used."""

    def __init__(self, *, allow_private: bool = False, seconds: float = 20.0) -> None:
        self.allow_private = allow_private
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return (status, headers in small letters, the answer's beginning) of a POST.

        Raises:
            Forbidden: the address is inside a private network.
            InvalidInput: it is no address.
            aiohttp.ClientError, TimeoutError, OSError: nobody answered.
        """
        session = self._opened(url)
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            said = await answer.content.read(LARGEST_ANSWER)
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, said

    async def get(
        self, url: str, headers: Mapping[str, str], largest: int
    ) -> tuple[int, dict[str, str], bytes]:
        """Return (status, headers in small letters, the whole answer) of a GET; redirects are not followed.

        Raises:
            Forbidden: the address is inside a private network.
            InvalidInput: it is no address.
            TooLarge: the answer, unpacked, has more bytes than ``largest``.
            Unavailable: nobody answered.
        """
        session = self._opened(url)
        said = bytearray()
        try:
            async with session.get(url, headers=dict(headers), allow_redirects=False) as answer:
                async for piece in answer.content.iter_chunked(LARGEST_ANSWER):
                    said += piece
                    if len(said) > largest:
                        raise TooLarge(f"{url} has more than {largest:,} bytes")
                told = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, told, bytes(said)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{url} does not answer: {error or type(error).__name__}") from error

    def _opened(self, url: str) -> aiohttp.ClientSession:
        """Return the session, for an address that may be called."""
        checked_url(url, allow_private=self.allow_private)
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=PublicResolver(allow_private=self.allow_private), use_dns_cache=False
                ),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
