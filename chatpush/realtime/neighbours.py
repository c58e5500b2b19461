"""Names of nodes that tell where the node is, and that only a node of this installation can have written.

A connect reply names its node; a stream's commands, which may reach any node
behind the balancer, carry that name back. A name is ``id`` alone, or
``id.address.seal`` with address and seal in base64url; the seal is a
truncated HMAC-SHA256 (RFC 2104) under a key all nodes derive from the master
key. So nobody can make a node call an address of theirs.
"""

import base64
import binascii
import hashlib
import hmac

SEAL_BYTES = 16


class Neighbours:
    """Writes this node's name and reads those of others."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, node: str, address: str) -> str:
        """Return the name of a node that others reach at an address; its id alone if there is none."""
        if not address:
            return node
        place = _encoded(address.rstrip("/").encode())
        return f"{node}.{place}.{_encoded(self._seal(node, place))}"

    def address(self, name: str) -> str:
        """Return where a node is; nothing if its name does not say so or is not one of ours."""
        node, _, rest = name.partition(".")
        place, _, seal = rest.partition(".")
        right = _encoded(self._seal(node, place)).encode()
        if not hmac.compare_digest(right, seal.encode(errors="replace")):
            return ""
        try:
            return base64.urlsafe_b64decode(place + "=" * (-len(place) % 4)).decode()
        except (binascii.Error, UnicodeError):
            return ""

    def _seal(self, node: str, place: str) -> bytes:
        return hmac.new(
            self._key, f"node\x00{node}\x00{place}".encode(errors="replace"), hashlib.sha256
        ).digest()[:SEAL_BYTES]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
