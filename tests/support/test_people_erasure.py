"""What people keep of a user goes with the user, and never lay readable."""

from pathlib import Path
from typing import Any

from tests.serving import serving
from tests.test_erasure import CANARY, plaintext_in
from tests.waiting import until

TABLES = (
    "conversation", "turn", "conversation_note", "conversation_tag", "conversation_word", "service_clock",
    "rating", "letter", "answer_trail",
)  # fmt: skip


async def test_notes_ratings_letters_words_and_trails_are_erased(tmp_path: Path) -> None:
    email = {"host": "127.0.0.1", "port": 1, "security": "none", "sender": "help@shop.example"}
    async with serving(tmp_path, channels={"email": email}) as served:
        await served.told("PUT", "/v1/users/emma", {"locale": "en"})
        opened = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        mine, theirs = f"/v1/me/conversations/{opened['id']}", f"/v1/conversations/{opened['id']}"
        await served.told("POST", f"{mine}/turns", {"text": f"{CANARY} please"}, user="emma")
        database = served.chatpush.database

        async def traced() -> Any:
            return await database.read("SELECT * FROM answer_trail")

        await until(traced)
        left = {"email": f"{CANARY}@example.com", "text": CANARY}
        await served.told("POST", f"{mine}/leave-message", left, user="emma")
        await served.told("POST", f"{theirs}/notes", {"text": CANARY})
        await served.told("PUT", f"{theirs}/tags", {"tags": ["vip"]})
        await served.told("PUT", f"{theirs}/subject", {"subject": CANARY})
        await served.told("POST", f"{theirs}/turns", {"text": "Hello", "agent": "a", "name": "Ada"})
        await served.told("POST", f"{theirs}/close")
        await served.told("POST", f"{mine}/rating", {"score": 5, "comment": CANARY}, user="emma")
        await served.told("POST", f"{mine}/transcript", user="emma")
        assert {table for table in TABLES if not await database.read(f"SELECT * FROM {table}")} == set()
        assert plaintext_in(tmp_path, CANARY) == []
        await served.told("DELETE", "/v1/users/emma")
        rows = {table: await database.read(f"SELECT * FROM {table}") for table in TABLES}
        assert not any(rows.values()), rows
