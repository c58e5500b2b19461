"""What a further word makes of what was said, and that a "no" stays one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.notify.deciding.consenting import Consents, Word, after, canonical, closed_of

YES, NO = Word("marketing", granted=True), Word("marketing", granted=False)
MAIL_YES, MAIL_NO = (Word("marketing", granted=granted, channel="email") for granted in (True, False))
CHANNELS = ("inbox", "email", "webpush")
WORDS = st.lists(
    st.builds(Word, st.sampled_from(["marketing", "alert"]), st.booleans(), st.sampled_from(["", *CHANNELS]))
)


def open_after(*words: Word, needed: bool = True) -> list[str]:
    """Return by which channels marketing comes after some words."""
    now, _ = after(Consents(), words)
    said, own = now.overall.get("marketing"), now.by_channel.get("marketing", {})
    closed = closed_of("marketing", CHANNELS, said, own, consent_needed=needed)
    return [name for name in CHANNELS if name not in closed]


@pytest.mark.parametrize(
    ("words", "channels"),
    [
        ([], []),
        ([YES], ["inbox", "email", "webpush"]),
        ([YES, MAIL_NO], ["inbox", "webpush"]),
        ([MAIL_YES], ["email"]),
        # a no to all ends what single channels were given
        ([MAIL_YES, NO], []),
        ([YES, NO], []),
        # a channel's own no outlives a yes to all, until that channel is opened again
        ([MAIL_NO, YES], ["inbox", "webpush"]),
        ([YES, MAIL_NO, NO, YES], ["inbox", "webpush"]),
        ([YES, MAIL_NO, NO, YES, MAIL_YES], ["inbox", "email", "webpush"]),
        # a no to all leaves single channels to be chosen
        ([NO, MAIL_YES], ["email"]),
    ],
)
def test_words_add_up(words: list[Word], channels: list[str]) -> None:
    assert open_after(*words) == channels


def test_without_the_need_for_consent_what_was_not_closed_is_open() -> None:
    assert open_after(needed=False) == list(CHANNELS)
    assert open_after(MAIL_NO, needed=False) == ["inbox", "webpush"]


def test_only_what_changed_something_is_told() -> None:
    _, changes = after(Consents({"marketing": True}), [YES, MAIL_NO, MAIL_NO, NO, NO])
    assert changes == [MAIL_NO, NO]
    # Nothing was said of all channels but no, and yet this no ends the letters.
    _, changes = after(Consents({"marketing": False}, {"marketing": {"email": True}}), [NO])
    assert changes == [NO]


def test_the_inbox_has_one_name() -> None:
    assert [canonical(name) for name in ("ws", "live", "inbox", "email")] == [*["inbox"] * 3, "email"]
    assert closed_of("alert", ("ws", "live", "email"), None, {"inbox": False}, consent_needed=True) == (
        "inbox",
    )


@given(words=WORDS)
def test_the_changes_alone_lead_to_what_holds(words: list[Word]) -> None:
    now, changes = after(Consents(), words)
    again, same = after(Consents(), changes)
    assert (again, same) == (now, changes)


@given(words=WORDS)
def test_after_a_no_to_all_nothing_is_open_and_words_of_one_category_leave_the_other(
    words: list[Word],
) -> None:
    assert open_after(*words, NO, needed=False) == []
    others = [word for word in words if word.category == "alert"]
    now, _ = after(Consents(), words)
    alone, _ = after(Consents(), others)
    assert (now.overall.get("alert"), now.by_channel.get("alert")) == (
        alone.overall.get("alert"), alone.by_channel.get("alert"),
    )  # fmt: skip
