"""Recipients become pages: each user once, in order, from any place on."""

from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.audience import _full_or_end, _merge
from chatpush.notify.audience.users import UserChange
from chatpush.notify.messages.drafts import Recipient
from tests.notify.building import Room

NAMES = st.lists(st.text("abc", min_size=1, max_size=4), max_size=30)


@given(sources=st.lists(NAMES, min_size=1, max_size=4), limit=st.integers(1, 7))
def test_merged_pages_hold_everyone_once(sources: list[list[str]], limit: int) -> None:
    lists = [sorted({UserId(name) for name in names}) for names in sources]
    seen: list[UserId] = []
    cursor: UserId | None = UserId("")
    while cursor is not None:
        after = cursor
        page = _merge([_full_or_end([u for u in own if u > after][:limit], limit) for own in lists], limit)
        assert len(page.users) <= limit
        assert page.cursor is None or page.cursor > after
        seen += page.users
        cursor = page.cursor
    assert seen == sorted({user for own in lists for user in own})


async def test_a_segment_is_scanned_in_stretches(room: Room, tenant: TenantId) -> None:
    for number in range(25):
        attributes = {"n": number}
        await room.users.put(tenant, UserId(f"u{number:02}"), UserChange(attributes=attributes))
    await room.segments.put(tenant, "few", "n in (3, 17, 24)")
    to = (Recipient(segment="few"), Recipient(user=UserId("stranger")))
    assert await room.audience.count(tenant, to) == 4
    pages = [page async for page in room.audience.users(tenant, to, limit=2)]
    assert [user for page in pages for user in page] == ["stranger", "u03", "u17", "u24"]
    assert await room.segments.count(tenant, "few") == 3
