"""``chatpush items import`` and ``chatpush events import`` into a running chatpush."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chatpush.cli.campaigns import campaigns
from chatpush.cli.items import events, items
from chatpush.domain import DEFAULT_TENANT, ItemId, UserId
from chatpush.errors import InvalidInput, Unavailable
from tests.serving import Served, serving

ITEMS = """id,title,price,currency,stock,tags,brand
mug,"红色 Mug",9.50,GBP,4,kitchen;red,Acme
cup,Cup,,,,,
"""
EVENTS = """user,type,item,at,channel
ann,purchase,mug,2026-11-20T10:00:00Z,web
ann,purchase,mug,2026-11-20T10:00:00Z,web
bob,view,cup,2026-11-20T11:00:00Z,
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "server") as served:
        yield served


async def call(served: Served, group: object, *arguments: str, text: str | None = None) -> Result:
    """Run a command in a thread, as a person would in another window."""
    command = [*arguments, "--url", served.url, "--key", served.secret]
    return await asyncio.to_thread(CliRunner().invoke, group, command, text)  # type: ignore[arg-type]


async def test_csv_files_come_in_and_once_more_change_nothing(served: Served, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8-sig")
    with gzip.open(tmp_path / "events.csv.gz", "wt", encoding="utf-8") as file:
        file.write(EVENTS)
    done = await call(served, items, "import", str(tmp_path / "items.csv"))
    assert done.exit_code == 0, done.output
    assert "2 items imported" in done.output
    assert "2/2" in done.output  # the line of names is no item
    mug = await served.chatpush.catalogue.get(DEFAULT_TENANT, ItemId("mug"))
    assert (mug.title, str(mug.price), mug.stock, mug.tags) == ("红色 Mug", "9.5", 4, ("kitchen", "red"))
    assert mug.attributes == {"brand": "Acme"}

    done = await call(served, events, "import", str(tmp_path / "events.csv.gz"))
    assert "3 events imported, 0 known before" in done.output
    again = await call(served, events, "import", str(tmp_path / "events.csv.gz"))
    assert "0 events imported, 2 known before" in again.output or "0 events imported, 3 known" in again.output
    (first, second) = await served.chatpush.behaviour.recent(DEFAULT_TENANT, UserId("ann"))
    assert first.properties == second.properties == {"channel": "web"}


async def test_json_lines_come_in(served: Served, tmp_path: Path) -> None:
    lines = [{"id": f"i{n}", "title": f"Item {n}", "price": n} for n in range(1201)]
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    done = await call(served, items, "import", str(tmp_path / "items.jsonl"))
    assert "1201 items imported" in done.output
    (tmp_path / "items.jsonl").write_text(json.dumps({"id": "i5", "title": "Item 5", "price": 1}))
    done = await call(served, items, "import", str(tmp_path / "items.jsonl"))
    assert "1 items imported, 1 price drop" in done.output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "No such file"),
        ("items.xlsx", b"x", "ends with .csv or .jsonl"),
        ("items.jsonl", b'{"id": 1', "items.jsonl:1: not JSON"),
        ("items.jsonl", b'{"id":"a","title":"x"}\n[1]\n', "items.jsonl:2: a line is one JSON object"),
        (
            "items.jsonl",
            b'{"id":"a","title":"x"}\n\n{"id":"b"}\n',
            "items.jsonl:3: items.1.title: Field required",
        ),
        ("items.csv", b"id,title,price\na,x,cheap\n", "items.csv:2: price 'cheap' is not a number"),
        ("items.csv", b"id,title\na,x,y\n", "items.csv:2: not as many fields"),
        ("items.csv", b"id,title\na,\xff\xfe\n", "can't decode byte"),
        ("items.csv.gz", b"not gzip", "Not a gzipped file"),
    ],
)
async def test_bad_files_are_told_with_their_line(
    served: Served, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    failed = await call(served, items, "import", str(tmp_path / name))
    assert isinstance(failed.exception, InvalidInput)
    assert message in failed.exception.message


async def test_nobody_there_and_a_wrong_key(served: Served, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    arguments = ["import", str(tmp_path / "items.csv"), "--key", "sk_wrong", "--url"]
    nobody = await asyncio.to_thread(CliRunner().invoke, items, [*arguments, "http://127.0.0.1:9"])
    assert isinstance(nobody.exception, Unavailable)
    assert "is `chatpush serve` running?" in nobody.exception.message
    wrong = await asyncio.to_thread(CliRunner().invoke, items, [*arguments, served.url])
    assert "unknown or revoked" in str(wrong.exception)


async def test_campaigns_from_the_command_line(served: Served, tmp_path: Path) -> None:
    await served.told("PUT", "/v1/users/ann", {"attributes": {"name": "Ann"}})
    plan = {
        "name": "Weekly", "to": [{"all": True}], "content": {"title": "Hello", "body": "All of you"},
        "trigger": {"kind": "cron", "cron": "0 9 * * 1", "timezone": "Asia/Shanghai"},
    }  # fmt: skip
    made = await call(served, campaigns, "create", "-", text=json.dumps(plan))
    assert made.exit_code == 0, made.exception
    campaign = made.output.split()[0]
    shown = {
        ("list",): "Weekly",
        ("preview", campaign, "--count", "2"): "09:00+08:00",
        ("dry-run", campaign): "1 users in the audience",
        ("run", campaign): "running",
        ("runs", campaign): "run_",
        ("pause", campaign): "paused",
        ("resume", campaign): "active",
        ("show", campaign): '"cron": "0 9 * * 1"',
        ("results", campaign): "converted",
    }
    for arguments, expected in shown.items():
        answer = await call(served, campaigns, *arguments)
        assert answer.exit_code == 0, answer.exception
        assert expected in answer.output
    refused = await call(served, campaigns, "create", "-", text=json.dumps({**plan, "name": ""}))
    assert "needs a name" in str(refused.exception)


async def test_a_preset_is_one_command_and_a_run_can_be_ended(served: Served) -> None:
    listed = await call(served, campaigns, "preset")
    assert "abandoned_cart" in listed.output
    made = await call(served, campaigns, "preset", "weekly_picks", "--timezone", "Asia/Shanghai")
    assert made.exit_code == 0, made.exception
    template, line = made.output.splitlines()
    assert template == "template preset_weekly_picks@1"
    campaign = line.split()[0]
    assert '"timezone": "Asia/Shanghai"' in (await call(served, campaigns, "show", campaign)).output
    nothing = await call(served, campaigns, "cancel", campaign)
    assert "no run to cancel" in str(nothing.exception)
    unknown = await call(served, campaigns, "preset", "monthly_pigs")
    assert "no preset 'monthly_pigs'; there are weekly_picks, abandoned_cart" in str(unknown.exception)

    await served.told("PUT", "/v1/topics/many/members", {"users": [f"u{n}" for n in range(100)]})
    slow = {
        "name": "Slow", "to": [{"topic": "many"}], "content": {"title": "x"}, "throttle": 1,
        "trigger": {"kind": "cron", "cron": "0 9 * * 1"}, "category": "alert",
    }  # fmt: skip
    campaign = (await call(served, campaigns, "create", "-", text=json.dumps(slow))).output.split()[0]
    run = (await call(served, campaigns, "run", campaign)).output.split(":")[0]
    assert "paused after" in (await call(served, campaigns, "pause", campaign, "--run", run)).output
    assert "running after" in (await call(served, campaigns, "resume", campaign, "--run", run)).output
    ended = await call(served, campaigns, "cancel", campaign)
    assert ended.output.startswith(f"{run}: cancelled after")
    assert "is cancelled; only one" in str(
        (await call(served, campaigns, "pause", campaign, "--run", run)).exception
    )


async def test_what_if_adds_pages_up_and_takes_a_file(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.cli.campaigns.WHAT_IF_USERS", 40)
    await served.told("PUT", "/v1/topics/many/members", {"users": [f"u{n}" for n in range(100)]})
    plan = {
        "name": "Hourly", "to": [{"topic": "many"}], "content": {"title": "Hello"}, "category": "marketing",
        "trigger": {"kind": "interval", "every": 1, "unit": "days", "start_at": "2026-01-01T00:00"},
    }  # fmt: skip
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    unstored = await call(served, campaigns, "what-if", str(file), "--since", "2d")
    assert "2 firings, 100 users" in unstored.output, unstored.exception
    assert "would have sent 0 of 200 messages" in unstored.output
    assert "not sent, no_consent: 200" in unstored.output
    campaign = (await call(served, campaigns, "create", str(file))).output.split()[0]
    asked = await call(
        served, campaigns, "what-if", campaign, "--since", "24h", "--policy", "marketing_needs_consent=false",
        "--set", 'content={"title": "Good morning"}',
    )  # fmt: skip
    assert "would have sent 100 of 100 messages" in asked.output, asked.exception
    assert "Good morning" in asked.output
    for wrong, words in (
        (("--since", "soon"), "not a span such as 24h"),
        (("--set", "title"), "write NAME=VALUE"),
        (("--plugin", "x=1"), "write --plugin PLUGIN.SETTING=VALUE"),
    ):
        refused = await call(served, campaigns, "what-if", campaign, *wrong)
        assert words in str(refused.exception)
