"""Random bytes are handed out once, to any thread and in any process."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from chatpush.chance import PAGE_BYTES, random_bytes, random_uuid


def test_nothing_is_handed_out_twice_whoever_asks() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: random_bytes(12), range(20_000)))
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {12}
    assert len(random_bytes(PAGE_BYTES)) == PAGE_BYTES


def test_a_child_process_has_a_page_of_its_own() -> None:
    random_bytes(12)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, random_bytes(12))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 12) != random_bytes(12)
    os.close(reading)
    os.close(writing)


def test_a_uuid_is_one_of_the_random_kind() -> None:
    found = [random_uuid() for _ in range(1000)]
    assert len(set(found)) == len(found)
    for text in found:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 4, uuid.RFC_4122)
