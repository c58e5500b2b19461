"""Who gets a conversation: by language, skill, turn and load."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chatpush.support.people.routing import choose_agent, choose_team
from chatpush.support.people.teams import Agent, Assignment, Team
from tests.clocks import StillClock

NOW = StillClock().now()
HELP = Team("Help", id="tem_1")
CHINESE = Team("中文", languages=("zh",), id="tem_2")
REFUNDS = Team("Refunds", skills=("refund",), id="tem_3")


def agent(person: str, *, load: int = 0, ago: int = 0, seen: int = 0, **more: object) -> Agent:
    return Agent(
        person, teams=("tem_1",), seen_at=NOW - timedelta(seconds=seen), load=load,
        assigned_at=NOW - timedelta(seconds=ago), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_team_that_fits_best() -> None:
    teams = [HELP, CHINESE, REFUNDS]
    assert choose_team(teams, "en", ()) == HELP
    assert choose_team(teams, "zh-CN", ()) == CHINESE
    assert choose_team(teams, "en", ["refund"]) == REFUNDS
    assert choose_team([CHINESE, REFUNDS], "en", ()) == REFUNDS  # better than not being understood
    assert choose_team([CHINESE], "en", ()) == CHINESE  # better than nobody
    assert choose_team([], "en", ()) is None


def test_round_robin_takes_whose_last_is_longest_ago() -> None:
    team = Team("Help", assignment=Assignment.ROUND_ROBIN, id="tem_1")
    agents = [agent("ada", ago=10), agent("bob", ago=60, load=4), agent("eve", ago=30)]
    assert choose_agent(agents, team, "en", (), NOW).person == "bob"  # type: ignore[union-attr]


def test_least_load_takes_whose_share_is_smallest() -> None:
    team = Team("Help", assignment=Assignment.LEAST_LOAD, id="tem_1")
    agents = [agent("ada", load=2, capacity=4), agent("bob", load=3, capacity=10), agent("eve", load=5)]
    assert choose_agent(agents, team, "en", (), NOW).person == "bob"  # type: ignore[union-attr]


def test_language_and_skill_are_wishes() -> None:
    agents = [
        agent("ada", languages=("en",)),
        agent("lin", languages=("zh",), ago=1),
        agent("bob", skills=("vip",)),
    ]
    assert choose_agent(agents[:2], HELP, "zh-CN", (), NOW).person == "lin"  # type: ignore[union-attr]
    assert choose_agent(agents, HELP, "en", ["vip"], NOW).person == "bob"  # type: ignore[union-attr]
    assert choose_agent(agents[:1], HELP, "zh", ["vip"], NOW).person == "ada"  # type: ignore[union-attr]


@given(
    st.lists(
        st.builds(
            agent, st.sampled_from("abcdef"), load=st.integers(0, 8), ago=st.integers(0, 99),
            seen=st.sampled_from([0, 44, 46, 9999]), away=st.booleans(), capacity=st.integers(0, 8),
        ),
        max_size=8,
    ),
    st.sampled_from(Assignment),
)  # fmt: skip
def test_nobody_absent_or_full_is_chosen(agents: list[Agent], how: Assignment) -> None:
    chosen = choose_agent(agents, Team("Help", assignment=how, id="tem_1"), "en", (), NOW)
    able = [one for one in agents if one.on_duty(NOW) and one.load < one.capacity]
    assert (chosen is None) == (not able)
    assert chosen is None or chosen in able
