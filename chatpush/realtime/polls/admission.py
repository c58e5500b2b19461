"""Who may poll what: by a grant that covers the channels, else by tokens."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from chatpush.domain import TenantId, UserId
from chatpush.errors import ChatpushError, Forbidden, TooMany, Unauthenticated
from chatpush.realtime.connecting import server_side_channels
from chatpush.realtime.identity.claims import ConnectionClaims, Proof
from chatpush.realtime.node import Node
from chatpush.realtime.permissions import check_reserved, check_subscribe
from chatpush.realtime.polls.grants import Dismissed, Grant, GrantExpired, Grants
from chatpush.realtime.protocol.codes import Disconnect, Refused

GRANT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One channel of a poll, with its subscription token if it needs one."""

    channel: str
    token: str = ""


class Admission:
    """Gives and reads the grants of a node's long-polls."""

    def __init__(self, node: Node, grants: Grants) -> None:
        self._node = node
        self._grants = grants
        # Clients that were sent away, until none of their grants is good any more; oldest first.
        self._dismissed: dict[str, tuple[float, Disconnect]] = {}

    async def authorise(
        self, tenant: TenantId, token: str, grant: str, asked: Sequence[Asked], *, key: str = ""
    ) -> Grant:
        """Return the permission to poll these channels: from a grant that covers them, else from tokens.

        ``key`` is the id of the publishable key that named the tenant.

        Raises:
            GrantExpired: the grant's time is over and there is no token.
            Dismissed: the client of this grant was sent away for good.
            Unauthenticated: the token is not valid, or there is none.
            Forbidden: a channel is not for this user.
        """
        known = None
        if grant:
            try:
                known = self._grants.read(grant, tenant, self._node.now())
                self.check(known)
            except Dismissed:
                raise
            except Unauthenticated:
                if not token:
                    raise
                known = None
        if known is not None and known.covers({one.channel for one in asked}):
            return known
        if len(asked) > self._node.settings.max_channels:
            raise TooMany(f"at most {self._node.settings.max_channels} channels a poll", param="channels")
        claims = await self._claims(tenant, token)
        try:
            given = await self._granted(tenant, key, claims, known, asked)
        except Refused as refused:
            raise Forbidden(f"{refused.code.message}", param="channels") from refused
        self.check(given)  # something may have been taken back meanwhile
        return given

    def known(self, tenant: TenantId, text: str, channels: Sequence[str]) -> Grant | None:
        """Return the grant of this text if it is good and covers the channels."""
        try:
            grant = self._grants.read(text, tenant, self._node.now())
            self.check(grant)
        except ChatpushError:
            return None
        return grant if grant.covers(set(channels)) else None

    def dismiss(self, grant: Grant, why: Disconnect) -> None:
        """Take a client's grants back: it comes with its token again, or not at all."""
        now, dismissed = self._node.now(), self._dismissed
        dismissed.pop(grant.client, None)
        dismissed[grant.client] = (now + GRANT_SECONDS, why)
        while dismissed[oldest := next(iter(dismissed))][0] <= now:
            del dismissed[oldest]

    def check(self, grant: Grant) -> None:
        """Refuse a grant whose client was sent away, whose user is blocked, or whose token or key was revoked.

        Raises:
            Unauthenticated: one of these.
        """
        _, why = self._dismissed.get(grant.client, (0.0, None))
        if why is not None and why.terminal:
            raise Dismissed(f"sent away: {why.reason}")
        if why is not None:
            raise GrantExpired(f"sent away: {why.reason}; poll with the token again")
        blocks = self._node.tokens.blocks
        blocks.check_user(grant.tenant, grant.user)
        if grant.key:
            blocks.check_key(grant.key)
        for proof in grant.proofs:
            blocks.check(grant.tenant, grant.user, proof.uid, proof.issued_at)

    async def _granted(
        self,
        tenant: TenantId,
        key: str,
        claims: ConnectionClaims,
        known: Grant | None,
        asked: Sequence[Asked],
    ) -> Grant:
        """Return a new grant; the same client's, if it had one.

        Raises:
            NotFound: no such namespace.
            Refused: no permission.
            Forbidden: a subscription token is not valid.
        """
        expires_at = self._node.now() + GRANT_SECONDS
        if claims.expires_at is not None:
            expires_at = min(expires_at, claims.expires_at)
        proofs = {claims.proof: None}
        own = tuple(server_side_channels(claims))
        for channel in own:
            self._node.namespaces.options(channel)
        for one in asked:
            if one.channel not in own:
                until, proof = await self._check(tenant, claims.user, one)
                expires_at = min(expires_at, until)
                if proof is not None:
                    proofs[proof] = None
        same = known is not None and known.user == claims.user
        client = known.client if known is not None and same else secrets.token_urlsafe(12)
        channels = tuple(one.channel for one in asked)
        return Grant(tenant, claims.user, client, channels, own, expires_at, tuple(proofs), key)

    async def _claims(self, tenant: TenantId, token: str) -> ConnectionClaims:
        if token:
            return await self._node.tokens.verify_connection(tenant, token)
        settings = self._node.settings
        if settings.insecure or settings.allow_anonymous_connect_without_token:
            return ConnectionClaims(UserId(""))
        raise Unauthenticated("a poll needs a token, or a grant that covers its channels", param="token")

    async def _check(self, tenant: TenantId, user: UserId, asked: Asked) -> tuple[float, Proof | None]:
        """Return until when this user may read this channel, and what proved it.

        Raises:
            NotFound: no such namespace.
            Refused: no permission.
            Forbidden: the subscription token is not valid.
        """
        options = self._node.namespaces.options(asked.channel)
        if not asked.token:
            check_subscribe(asked.channel, options, user)
            return float("inf"), None
        try:
            claims = await self._node.tokens.verify_subscription(tenant, asked.token)
        except Unauthenticated as error:
            raise Forbidden(f"{asked.channel}: {error.message}", param="channels") from error
        if claims.channel != asked.channel or claims.user != user:
            raise Forbidden(f"{asked.channel}: the token is for another channel or user", param="channels")
        check_reserved(asked.channel, user)
        return float("inf") if claims.expires_at is None else claims.expires_at, claims.proof
