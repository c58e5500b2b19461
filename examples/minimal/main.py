"""chatpush inside your own program, in ten lines. First: `chatpush init`."""

import asyncio

from chatpush.app import Chatpush


async def main() -> None:
    """Serve, and write to user 42."""
    async with Chatpush.from_file("chatpush.toml").serving() as push:
        await push.send("42", title="Shipped", body="Your lantern is on its way.")
        await asyncio.Event().wait()  # your program goes on here


if __name__ == "__main__":
    asyncio.run(main())
