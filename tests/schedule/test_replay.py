"""A user's messages played through the policy meet each other as they would in the queue."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chatpush.domain import Category, Content, QuietHours, TenantId, User, UserId
from chatpush.notify.deciding.digests import Digest
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages.drafts import Accepted, MessageDraft, Recipient, accept
from chatpush.schedule.replay import Played, play

MORNING = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
END = MORNING + timedelta(days=7)
EMMA = User(TenantId("default"), UserId("emma"), consents={"marketing": True, "alert": True})
UNTIL_NINE = replace(EMMA, quiet_hours=QuietHours("22:00", "09:00"))


def message(**more: object) -> Accepted:
    given = {"category": Category.ALERT, **more}
    drafted = MessageDraft(to=(Recipient(user=EMMA.id),), content=Content("Price", ""), **given)  # type: ignore[arg-type]
    return accept(drafted, "", Category.ALERT, None)


def minutes(*numbers: int) -> list[datetime]:
    return [MORNING + timedelta(minutes=number) for number in numbers]


def played(accepted: Accepted, moments: Sequence[datetime], user: User = EMMA) -> list[Played]:
    return play(Rules(), user, accepted, moments, [], END)


def outcomes(ends: Sequence[Played]) -> dict[str, int]:
    return Counter(one.outcome if one.outcome != "suppressed" else one.reason for one in ends)


def test_a_fixed_window_is_one_message_and_the_next_begins_anew() -> None:
    ends = played(message(digest=Digest("news", 3600)), minutes(0, 10, 59, 60, 70, 300))
    assert outcomes(ends) == {"sent": 3, "digested": 3}
    assert [(one.at, one.gathered) for one in ends if one.outcome == "sent"] == [
        (*minutes(60), 3), (*minutes(120), 2), (*minutes(360), 1),
    ]  # fmt: skip


def test_a_sliding_window_moves_up_to_ten_windows() -> None:
    ends = played(
        message(digest=Digest("news", 600, sliding=True, max_items=200)), minutes(*range(0, 200, 5))
    )
    sent = [one for one in ends if one.outcome == "sent"]
    assert sent[0].at == minutes(100)[0]
    assert sum(one.gathered for one in sent) == 40


def test_a_full_digest_goes_at_once() -> None:
    ends = played(message(digest=Digest("news", 3600, max_items=3)), minutes(0, 1, 2, 3))
    assert [(one.at, one.gathered) for one in ends if one.outcome == "sent"] == [
        (*minutes(2), 3), (*minutes(63), 1),
    ]  # fmt: skip


def test_what_waits_for_the_morning_gathers_all_night() -> None:
    ends = played(message(digest=Digest("news", 60)), minutes(0, 30, 60, 170), UNTIL_NINE)
    assert outcomes(ends) == {"sent": 1, "digested": 3}
    assert (ends[-1].at, ends[-1].gathered, ends[-1].deferred) == (*minutes(180), 4, ("quiet_hours",))


def test_the_last_of_a_collapse_key_is_sent_when_the_night_is_over() -> None:
    ends = played(message(collapse_key="price"), minutes(0, 30, 60), UNTIL_NINE)
    assert outcomes(ends) == {"sent": 1, "collapsed": 2}
    assert (ends[-1].at, ends[-1].replaces) == (*minutes(180), False)


def test_one_on_the_screen_is_replaced_and_counts_as_sent() -> None:
    ends = played(message(collapse_key="price"), minutes(0, 30, 60))
    assert outcomes(ends) == {"sent": 3}
    assert [one.replaces for one in ends] == [False, True, True]


def test_a_digests_ttl_begins_when_it_is_due() -> None:
    hourly = message(digest=Digest("news", 3600), ttl_seconds=600)
    assert outcomes(played(hourly, minutes(0, 10))) == {"sent": 1, "digested": 1}
    assert outcomes(played(hourly, minutes(0, 10), UNTIL_NINE)) == {"quiet_hours": 1, "digested": 1}


@pytest.mark.parametrize("moments", [[], minutes(0)])
def test_messages_without_either_go_their_own_way(moments: list[datetime]) -> None:
    assert outcomes(played(message(), moments)) == Counter(["sent"] * len(moments))
