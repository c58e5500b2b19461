"""Each rule is one short test; together they never contradict themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import Category, QuietHours
from chatpush.notify.deciding.policy import Decision, Facts, QuietRule, Verdict, decide, default_quiet_rule

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NIGHT = NOON.replace(hour=23)
QUIET = QuietHours("22:00", "08:00")
MORNING = datetime(2026, 11, 25, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
YES = {"marketing": True}
MARKETING = Facts(NOON, Category.MARKETING, YES)
ALERT = Facts(NOON, Category.ALERT, {})
PAID = Facts(NOON, Category.TRANSACTIONAL, {})
BOTH = ("ws", "email")
NO_MAIL, ONLY_MAIL = {"marketing": {"email": False}}, {"marketing": {"email": True}}
SEND, DEFER, SUPPRESS = Verdict.SEND, Verdict.DEFER, Verdict.SUPPRESS


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (PAID, Decision(SEND, "transactional")),
        (ALERT, Decision(SEND, "not_opted_out")),
        (MARKETING, Decision(SEND, "consent")),
        # consent
        (replace(ALERT, consents={"alert": False}), Decision(SUPPRESS, "opted_out")),
        (replace(ALERT, consents={"marketing": False}), Decision(SEND, "not_opted_out")),
        (replace(MARKETING, consents={"marketing": False}), Decision(SUPPRESS, "opted_out")),
        (replace(MARKETING, consents={}), Decision(SUPPRESS, "no_consent")),
        (replace(MARKETING, consents={}, consent_needed=False), Decision(SEND, "not_opted_out")),
        (replace(MARKETING, consents={"marketing": False}, consent_needed=False), Decision(SUPPRESS, "opted_out")),
        (replace(PAID, consents={"transactional": False}), Decision(SEND, "transactional")),
        # single channels
        (replace(MARKETING, channels=BOTH, channel_consents=NO_MAIL), Decision(SEND, "consent", closed=("email",))),
        (replace(MARKETING, channels=("email",), channel_consents=NO_MAIL), Decision(SUPPRESS, "opted_out: email")),
        (replace(MARKETING, channels=BOTH, channel_consents={"marketing": {"email": False, "inbox": False}}),
         Decision(SUPPRESS, "opted_out: inbox, email")),
        (replace(MARKETING, channels=BOTH, consents={}, channel_consents=ONLY_MAIL),
         Decision(SEND, "consent", closed=("inbox",))),
        (replace(MARKETING, channels=("ws",), consents={}, channel_consents=ONLY_MAIL),
         Decision(SUPPRESS, "no_consent: inbox")),
        (replace(MARKETING, channels=("ws",), consents={"marketing": False}, channel_consents=ONLY_MAIL),
         Decision(SUPPRESS, "opted_out: inbox")),
        (replace(MARKETING, channels=BOTH, consents={"marketing": False}, channel_consents=ONLY_MAIL),
         Decision(SEND, "consent", closed=("inbox",))),
        (replace(MARKETING, channels=BOTH, consents={}, channel_consents=NO_MAIL), Decision(SUPPRESS, "no_consent")),
        (replace(MARKETING, channels=BOTH, consents={"marketing": False}, channel_consents=NO_MAIL),
         Decision(SUPPRESS, "opted_out")),
        (replace(MARKETING, channels=BOTH, consents={}, consent_needed=False, channel_consents=NO_MAIL),
         Decision(SEND, "not_opted_out", closed=("email",))),
        (replace(ALERT, channels=BOTH, channel_consents=NO_MAIL), Decision(SEND, "not_opted_out")),
        (replace(ALERT, channels=BOTH, channel_consents={"alert": {"email": False}}),
         Decision(SEND, "not_opted_out", closed=("email",))),
        (replace(PAID, channels=BOTH, channel_consents={"transactional": {"email": False, "inbox": False}}),
         Decision(SEND, "transactional")),
        (replace(MARKETING, channels=BOTH, channel_consents=NO_MAIL, held="open_complaint"),
         Decision(SUPPRESS, "open_complaint")),
        # held back
        (replace(MARKETING, held="open_complaint"), Decision(SUPPRESS, "open_complaint")),
        (replace(ALERT, held="open_complaint"), Decision(SEND, "not_opted_out")),
        (replace(PAID, held="open_complaint"), Decision(SEND, "transactional")),
        # ttl
        (replace(PAID, expires_at=NOON), Decision(SUPPRESS, "expired")),
        (replace(PAID, expires_at=NOON + HOUR), Decision(SEND, "transactional")),
        (replace(MARKETING, consents={}, expires_at=NOON), Decision(SUPPRESS, "expired")),
        # quiet hours
        (replace(ALERT, now=NIGHT, quiet_hours=QUIET), Decision(DEFER, "quiet_hours", MORNING)),
        (replace(ALERT, quiet_hours=QUIET), Decision(SEND, "not_opted_out")),
        (replace(ALERT, now=NIGHT, quiet_hours=QUIET, quiet_rule=QuietRule.SKIP), Decision(SUPPRESS, "quiet_hours")),
        (replace(ALERT, now=NIGHT, quiet_hours=QUIET, quiet_rule=QuietRule.IGNORE), Decision(SEND, "not_opted_out")),
        (replace(ALERT, now=NIGHT, quiet_hours=QUIET, expires_at=MORNING), Decision(SUPPRESS, "quiet_hours")),
        (replace(ALERT, quiet_hours=QUIET, timezone="Asia/Shanghai", now=NOON + 3 * HOUR),
         Decision(DEFER, "quiet_hours", MORNING.replace(hour=0))),
        (replace(PAID, now=NIGHT, quiet_hours=QUIET), Decision(DEFER, "quiet_hours", MORNING)),
        # cap
        (replace(MARKETING, cap=2, recent=(NOON - HOUR,)), Decision(SEND, "consent")),
        (replace(MARKETING, cap=2, recent=(NOON - HOUR, NOON - 3 * HOUR)),
         Decision(DEFER, "frequency_cap", NOON + 21 * HOUR)),
        (replace(MARKETING, cap=2, recent=(NOON - HOUR, NOON - 24 * HOUR)), Decision(SEND, "consent")),
        (replace(MARKETING, cap=1, recent=(NOON - HOUR, NOON - 3 * HOUR)),
         Decision(DEFER, "frequency_cap", NOON + 23 * HOUR)),
        (replace(MARKETING, cap=0, recent=(NOON,) * 9), Decision(SEND, "consent")),
        (replace(MARKETING, cap=1, recent=(NOON - HOUR,), expires_at=NOON + HOUR),
         Decision(SUPPRESS, "frequency_cap")),
        (replace(ALERT, cap=1, recent=(NOON,) * 9), Decision(SEND, "not_opted_out")),
        # quiet hours come before the cap
        (replace(MARKETING, now=NIGHT, quiet_hours=QUIET, cap=1, recent=(NIGHT,)),
         Decision(DEFER, "quiet_hours", MORNING)),
    ],
)  # fmt: skip
def test_rules(facts: Facts, decision: Decision) -> None:
    assert decide(facts) == decision


def test_transactional_messages_ignore_quiet_hours_unless_the_sender_says_otherwise() -> None:
    assert default_quiet_rule(Category.TRANSACTIONAL) is QuietRule.IGNORE
    assert default_quiet_rule(Category.ALERT) is default_quiet_rule(Category.MARKETING) is QuietRule.DEFER


TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
MOMENTS = st.integers(1_735_689_600, 1_830_297_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NAMES = ["ws", "email", "webpush"]
FACTS = st.builds(
    Facts,
    now=MOMENTS,
    category=st.sampled_from(list(Category)),
    consents=st.dictionaries(st.sampled_from(list(Category)), st.booleans()),
    timezone=st.sampled_from(["UTC", "Asia/Shanghai", "Europe/London", "America/New_York"]),
    quiet_hours=st.none() | st.builds(QuietHours, TIMES, TIMES).filter(lambda one: one.start != one.end),
    quiet_rule=st.sampled_from(list(QuietRule)),
    expires_at=st.none() | MOMENTS,
    consent_needed=st.booleans(),
    cap=st.integers(0, 3),
    recent=st.lists(MOMENTS, max_size=5).map(tuple),
    channels=st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
    channel_consents=st.dictionaries(
        st.sampled_from(list(Category)),
        st.dictionaries(st.sampled_from(["inbox", *NAMES[1:]]), st.booleans()),
    ),
)


@given(facts=FACTS)
def test_a_deferral_gets_on_and_an_expired_message_never_goes(facts: Facts) -> None:
    facts = replace(facts, recent=tuple(at for at in facts.recent if at <= facts.now))
    decision = decide(facts)
    if facts.expires_at is not None and facts.now >= facts.expires_at:
        assert decision == Decision(SUPPRESS, "expired")
    if decision.verdict is DEFER:
        assert decision.until is not None
        assert decision.until > facts.now
        assert facts.expires_at is None or decision.until < facts.expires_at
        again = decide(replace(facts, now=decision.until))
        assert (again.verdict, again.reason) != (DEFER, decision.reason)
    own = facts.channel_consents.get(facts.category, {})
    off = facts.consents.get(facts.category) is False and True not in own.values()
    if off and facts.category is not Category.TRANSACTIONAL:
        assert decision.verdict is SUPPRESS


@given(facts=FACTS)
def test_what_is_sent_has_an_open_channel_and_what_a_user_closed_is_named(facts: Facts) -> None:
    decision = decide(facts)
    names = {"inbox" if name == "ws" else name for name in facts.channels}
    own = facts.channel_consents.get(facts.category, {})
    if facts.category is Category.TRANSACTIONAL:
        assert not decision.closed
    elif decision.verdict is SEND:
        assert set(decision.closed) < names
        assert {name for name in names if own.get(name) is False} <= set(decision.closed)
    else:
        assert decision.closed == ()
    # Whoever said nothing of single channels is decided as ever.
    plain = replace(facts, channel_consents={})
    assert decide(plain) == decide(replace(plain, channels=()))


def test_every_reason_says_so_when_a_label_was_overruled() -> None:
    assert (
        decide(replace(MARKETING, consents={}, relabelled=True)).reason
        == "no_consent: marketing by its words"
    )
    assert decide(replace(MARKETING, relabelled=True)) == Decision(SEND, "consent: marketing by its words")
    late = replace(MARKETING, relabelled=True, expires_at=NOON - HOUR)
    assert decide(late) == Decision(SUPPRESS, "expired")
