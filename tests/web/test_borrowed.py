"""A borrowed socket sends, and is never closed by whoever forgot it."""

import asyncio
import gc
import socket

from chatpush.web.transports.borrowed import Borrowed


async def test_what_is_forgotten_stays_open() -> None:
    heard, said = socket.socketpair()
    heard.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=said)
    borrowed = Borrowed(transport)
    assert borrowed.send(b"one") == 3
    del borrowed
    gc.collect()
    assert Borrowed(transport).send(b"two") == 3
    assert await loop.sock_recv(heard, 16) == b"onetwo"
    transport.close()
    heard.close()
