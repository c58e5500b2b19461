"""Erase what customer service holds of a user: conversations, promises, what the channels still remember."""

from collections.abc import Awaitable, Callable

from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.users import Eraser
from chatpush.store.database import Database, Transaction

ForgetChannel = Callable[[TenantId, str], Awaitable[object]]


def erasing(database: Database, forget_channel: ForgetChannel) -> Eraser:
    """Return the eraser; ``forget_channel`` drops a channel's publications."""

    async def erase(tenant: TenantId, user: UserId) -> None:
        who = {"t": tenant, "u": user}
        own = "SELECT id FROM conversation WHERE tenant = :t AND user_id = :u"
        conversations = [row["id"] for row in await database.read(own, **who)]

        def delete(tx: Transaction) -> None:
            tx.execute(f"DELETE FROM turn WHERE tenant = :t AND conversation IN ({own})", **who)
            tx.execute(
                "DELETE FROM knowledge_candidate WHERE tenant = :t AND state <> 'approved' "
                f"AND conversation IN ({own})",
                **who,
            )
            for table in ("conversation_tag", "conversation_note", "conversation_word", "service_clock"):
                tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND conversation IN ({own})", **who)
            for table in (
                "rating",
                "letter",
                "answer_trail",
                "promise",
                "writer_spend",
                "conversation_memory",
                "conversation",
            ):
                tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND user_id = :u", **who)

        await database.write(delete)
        for channel in [f"user:{user}", *(f"conversation:{conversation}" for conversation in conversations)]:
            await forget_channel(tenant, channel)

    return erase
