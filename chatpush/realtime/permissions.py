"""May this client do this to this channel? Rules only; no clock and no I/O.

A personal channel belongs to its user, whatever the options or a token say.
``name#emma,lin`` belongs to the users after the ``#``. Otherwise a
subscription token or the namespace's options decide.
"""

from chatpush.domain import UserId
from chatpush.realtime.protocol.codes import NOT_AVAILABLE, PERMISSION_DENIED, Refused
from chatpush.settings import ChannelOptions

PERSONAL = "user"


def personal_channel(user: str) -> str:
    """Return the channel that only this user may read."""
    return f"{PERSONAL}:{user}"


def owner_of(channel: str) -> str:
    """Return the user a personal channel belongs to, or nothing."""
    namespace, colon, owner = channel.partition(":")
    return owner if colon and namespace == PERSONAL else ""


def check_reserved(channel: str, user: UserId) -> bool:
    """Refuse what belongs to others; return whether it is reserved for this very user.

    Raises:
        Refused: the channel belongs to other users.
    """
    namespace, colon, owner = channel.partition(":")
    if colon and namespace == PERSONAL:
        if not user or owner != user:
            raise Refused(PERMISSION_DENIED)
        return True
    if "#" in channel:
        if not user or user not in channel.rpartition("#")[2].split(","):
            raise Refused(PERMISSION_DENIED)
        return True
    return False


def check_subscribe(channel: str, options: ChannelOptions, user: UserId) -> None:
    """Decide on a subscribe without a token.

    Raises:
        Refused: the options do not allow it.
    """
    if check_reserved(channel, user):
        return
    if not _allowed(options.allow_subscribe_for_client, options.allow_subscribe_for_anonymous, user):
        raise Refused(PERMISSION_DENIED)


def check_publish(channel: str, options: ChannelOptions, user: UserId, *, subscribed: bool) -> None:
    """Decide on a client's publish.

    Raises:
        Refused: the options do not allow it.
    """
    if options.allow_publish_for_subscriber and subscribed:
        return
    check_reserved(channel, user)
    if not _allowed(options.allow_publish_for_client, options.allow_publish_for_anonymous, user):
        raise Refused(PERMISSION_DENIED)


def check_history(channel: str, options: ChannelOptions, user: UserId, *, subscribed: bool) -> None:
    """Decide on reading history.

    Raises:
        Refused: there is none (108), or it is not for this client (103).
    """
    if options.history_size == 0:
        raise Refused(NOT_AVAILABLE)
    _check_read(
        channel,
        user,
        _allowed(options.allow_history_for_client, options.allow_history_for_anonymous, user),
        subscribed and options.allow_history_for_subscriber,
    )


def check_presence(channel: str, options: ChannelOptions, user: UserId, *, subscribed: bool) -> None:
    """Decide on reading presence.

    Raises:
        Refused: there is none (108), or it is not for this client (103).
    """
    if not options.presence:
        raise Refused(NOT_AVAILABLE)
    _check_read(
        channel,
        user,
        _allowed(options.allow_presence_for_client, options.allow_presence_for_anonymous, user),
        subscribed and options.allow_presence_for_subscriber,
    )


def _check_read(channel: str, user: UserId, for_client: bool, as_subscriber: bool) -> None:
    if as_subscriber:
        return
    check_reserved(channel, user)
    if not for_client:
        raise Refused(PERMISSION_DENIED)


def _allowed(for_client: bool, for_anonymous: bool, user: UserId) -> bool:
    return for_anonymous or (for_client and bool(user))
