"""Personal numbers stay here; what only looks like one passes."""

import json
from pathlib import Path

import pytest

from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from tests.plugins.firstparty import load
from tests.serving import serving
from tests.support.scripted_model import scripted_model, text
from tests.test_model_journey import ask

CARD = "4111 1111 1111 1111"
ID = "11010519491231002X"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("mail emma.stone+shop@mail.example.co.uk.", "mail [EMAIL_A]."),
        ("邮箱是li@例子.中国，谢谢", "邮箱是[EMAIL_A]，谢谢"),
        (f"card {CARD} and 4111-1111-1111-1111", "card [CARD_A] and [CARD_B]"),
        (f"身份证{ID}", "身份证[ID_A]"),
        ("我的手机号是13812345678", "我的手机号是[PHONE_A]"),
        ("+86 138 1234 5678", "[PHONE_A]"),
        ("call +44 20 7946 0958 or +1 (415) 555-2671", "call [PHONE_A] or [PHONE_B]"),
        ("020 7946 0958", "[PHONE_A]"),
        ("0571-8888 1234", "[PHONE_A]"),
        ("电话+44 20 7946 0958或li@qq.com谢谢", "电话[PHONE_A]或[EMAIL_A]谢谢"),
    ],
)
async def test_what_is_personal_is_hidden_and_comes_back(said: str, told: str) -> None:
    plugins, _ = load("pii_redactor")
    exchange = samples.exchange()
    assert await plugins.filter_prompt(said, exchange) == told
    assert await plugins.filter_answer(told, exchange) == said


@pytest.mark.parametrize(
    "said",
    [
        "order 1234567890123456",  # fails the Luhn check
        "0000 0000 0000 0000",
        "110105194912310021",  # fails its check digit
        "tracking 1Z999AA10123456784",
        "12345678901234567890123",
        "on 2026-11-24 at 12:30:05, 1,299.00 yuan, 3.14159265358979",
        "10.0.0.1:8000 and v1.2.3",
        "#20471, 200 pieces, 0.5 litre",
        "a@b and @emma and emma@",
        "中国 2026 年",
    ],
)
async def test_what_only_looks_like_it_passes(said: str) -> None:
    plugins, _ = load("pii_redactor")
    assert await plugins.filter_prompt(said, samples.exchange()) == said


async def test_one_request_knows_a_value_by_one_name_in_all_its_texts() -> None:
    plugins, _ = load("pii_redactor")
    exchange = samples.exchange()
    assert await plugins.filter_prompt("I am a@example.com", exchange) == "I am [EMAIL_A]"
    assert await plugins.filter_prompt("b@example.com, a@example.com", exchange) == "[EMAIL_B], [EMAIL_A]"
    assert await plugins.filter_prompt("b@example.com", samples.exchange()) == "[EMAIL_A]", "another request"


async def test_kinds_and_patterns_can_be_chosen() -> None:
    plugins, _ = load("pii_redactor", kinds=["email"], patterns={"MEMBER": r"\bM-\d{5}\b"})
    told = await plugins.filter_prompt(f"M-20471 {CARD} a@example.com", samples.exchange())
    assert told == f"[MEMBER_A] {CARD} [EMAIL_A]"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"patterns": {"MEMBER": "("}}, "is no regular expression"),
        ({"patterns": {"member no": "x"}}, "1 to 16 letters"),
        ({"patterns": {"X": "a*"}}, "matches nothing at all"),
        ({"kinds": ["shoe size"]}, "kinds.0: Input should be"),
    ],
)
def test_wrong_settings_stop_the_start(own: dict[str, object], words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        load("pii_redactor", **own)


async def test_a_model_is_not_asked_when_too_much_would_have_to_be_hidden() -> None:
    plugins, _ = load("pii_redactor")
    text = " ".join(f"u{number}@example.com" for number in range(2001))
    assert await plugins.filter_prompt(text, samples.exchange()) == Drop("plugin pii_redactor failed")


async def test_long_texts_are_read_in_time() -> None:
    plugins, _ = load("pii_redactor")
    for hostile in ("1 " * 50_000, "a." * 50_000 + "@", "+1" * 50_000, "0-" * 50_000, "@a" * 50_000):
        assert isinstance(await plugins.filter_prompt(hostile, samples.exchange()), str)
    assert plugins.states()[0].seconds < 2.0


async def test_a_model_never_reads_what_its_answer_says(tmp_path: Path) -> None:
    plugins: dict[str, object] = {"pii_redactor": load("pii_redactor")[1]}
    said = f"Where is my order? Write to emma@example.com, my phone is 13812345678, card {CARD}"
    async with scripted_model() as model:
        model.will(text("We write to [EM", "AIL_A] and call [phone_a]."))
        writer = {"base_url": model.url, "api_key": "k", "model": "scripted"}
        async with serving(tmp_path, writer=writer, plugins=plugins) as served:
            answer, heard = await ask(served, said)
        asked = json.dumps(model.requests, ensure_ascii=False)
    for secret in ("emma@example.com", "13812345678", CARD):
        assert secret not in asked
    assert "[EMAIL_A]" in asked
    assert answer["text"] == "We write to emma@example.com and call 13812345678."
    shown = "".join(data["text"] for data in heard if data["type"] == "turn.delta")
    assert "[EM" not in shown, "readers never see a placeholder, not even half of one"
