"""Languages are told apart by their small words, and a question finds the people who speak it."""

from pathlib import Path
from typing import Any

import pytest

from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.loader import load_file
from tests.plugins.firstparty import load
from tests.serving import Served, serving
from tests.waiting import until

SAID = {
    "en": ["Where is my order?", "Hi, I have not received the parcel yet", "Can you send it to my office?"],
    "fr": ["Où est ma commande ?", "Je n’ai pas reçu le colis", "Bonjour, est-ce que vous livrez en Suisse ?"],
    "de": ["Wo ist meine Bestellung?", "Ich habe das Paket noch nicht bekommen", "Liefern Sie auch in die Schweiz?"],
    "es": ["¿Dónde está mi pedido?", "No he recibido el paquete todavía", "Hola, ¿cuándo llega el envío?"],
    "it": ["Dov'è il mio ordine?", "Non ho ancora ricevuto il pacco", "Quando arriva la spedizione? grazie"],
    "pt": ["Onde está o meu pedido?", "Eu ainda não recebi a encomenda", "Olá, quando chega o meu pacote?"],
    "nl": ["Waar is mijn bestelling?", "Ik heb het pakket nog niet ontvangen"],
    "pl": ["Gdzie jest moje zamówienie?", "Dzień dobry, kiedy przyjdzie paczka do mnie?"],
    "tr": ["Siparişim nerede ve ne zaman gelir?"],
    "id": ["Di mana pesanan saya?"],
    "vi": ["Đơn hàng của tôi ở đâu?"],
    "ru": ["Где мой заказ?"],
    "ar": ["أين طلبي؟"],
    "th": ["คำสั่งซื้อของฉันอยู่ที่ไหน"],
    "el": ["Πού είναι η παραγγελία μου;"],
    "he": ["איפה ההזמנה שלי?"],
    "hi": ["मेरा ऑर्डर कहाँ है?"],
}  # fmt: skip


async def routed(text: str, language: str = "en-GB", **own: Any) -> str:
    plugins, _ = load("language_router", **own)
    passed = await plugins.filter_question(samples.question(text, language=language))
    assert not plugins.states()[0].failures
    return getattr(passed, "language", "")


@pytest.mark.parametrize(("language", "text"), [(one, text) for one, texts in SAID.items() for text in texts])
async def test_a_question_is_answered_in_its_language(language: str, text: str) -> None:
    assert await routed(text, "zz") == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "20481",
        "RM123456789GB",
        "emma@example.com",
        "Merci!",
        "no",
        "pizza",
        "我的快递到哪了？",
        "注文はどこですか",
        "😀😀",
        "la la",
    ],
)
async def test_what_does_not_show_changes_nothing(text: str) -> None:
    assert await routed(text) == "en-GB"


async def test_a_regional_locale_stays_when_the_language_is_the_same() -> None:
    assert await routed("Where is my order?", "en-AU") == "en-AU"


async def test_only_languages_that_are_spoken_here_are_chosen() -> None:
    own: dict[str, Any] = {"languages": ["en", "es-MX"], "instead": {"pt": "es"}}
    assert await routed("Onde está o meu pedido?", **own) == "es-MX"
    assert await routed("Wo ist meine Bestellung?", **own) == "en-GB"


def test_wrong_settings_stop_the_start() -> None:
    with pytest.raises(PluginFailed, match="'French!' is no language"):
        load("language_router", languages=["French!"])


async def test_a_french_question_reaches_the_french_team(tmp_path: Path) -> None:
    plugins: dict[str, object] = {"language_router": load("language_router")[1]}
    async with serving(tmp_path, plugins=plugins) as served:
        for name, languages in (("English", ["en"]), ("Français", ["fr"])):
            await served.told("POST", "/v1/teams", {"name": name, "languages": languages})
        talk = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        place = f"/v1/me/conversations/{talk['id']}"
        await served.told("POST", f"{place}/turns", {"text": "Où est ma commande ?"}, user="emma")
        await served.told("POST", f"{place}/handover", {}, user="emma")
        team = await until(lambda: team_of(served, talk["id"]))
        teams = await served.told("GET", "/v1/teams")
        assert [one["name"] for one in teams["data"] if one["id"] == team] == ["Français"]


async def team_of(served: Served, conversation: str) -> str:
    rows = await served.chatpush.database.read("SELECT team FROM conversation WHERE id = :c", c=conversation)
    return str(rows[0]["team"])


async def test_a_refused_question_is_told_why(tmp_path: Path) -> None:
    path = tmp_path / "strict.py"
    path.write_text(
        "from chatpush.plugins.contracts import Drop\nfrom chatpush.plugins.hooks import hook\n"
        "@hook\ndef filter_question(question):\n    return Drop('ask politely')\n",
        encoding="utf-8",
    )
    async with serving(tmp_path, plugins={"strict": load_file(path)}) as served:
        talk = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        body = {"text": "now!"}
        answer = await served.ask("POST", f"/v1/me/conversations/{talk['id']}/turns", body, user="emma")
        problem = await answer.json()
        assert (answer.status, problem["detail"], problem["param"]) == (422, "ask politely", "text")
