"""What pages get before anybody signs in."""

import re
from pathlib import Path
from typing import Any

from chatpush.domain import VISITOR_PREFIX
from tests.serving import serving
from tests.support.scripted_model import scripted_model
from tests.support.vectoring import embeds
from tests.waiting import until


async def test_a_visitor_has_an_inbox_of_their_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        page = {"X-Chatpush-Key": served.publishable}
        made = await served.http.post(
            served.url + "/v1/visitors", json={"locale": "zh-CN", "timezone": "Mars/Olympus"}, headers=page
        )
        visitor = await made.json()
        assert (made.status, visitor["user"].startswith(VISITOR_PREFIX)) == (201, True)
        headers = {"Authorization": f"Bearer {visitor['token']}"}
        assert (await served.http.get(served.url + "/v1/me/inbox", headers=headers)).status == 200
        known = await served.told("GET", f"/v1/users/{visitor['user']}")
        assert (known["locale"], known["timezone"]) == ("zh-CN", "UTC")


async def test_one_address_brings_only_so_many_visitors(tmp_path: Path) -> None:
    async with serving(tmp_path, client={"visitors_per_minute": 2}) as served:
        answers = [await served.http.post(served.url + "/v1/visitors", json={}) for _ in range(3)]
        assert [answer.status for answer in answers] == [201, 201, 429]
        assert int(answers[2].headers["Retry-After"]) == 30


async def test_the_widget_takes_its_looks_from_the_settings(tmp_path: Path) -> None:
    looks = {"name": "Shop", "accent": "#123456", "suggestions": {"en": ["Where?"]}}
    async with serving(tmp_path, widget=looks) as served:
        config = await (await served.http.get(served.url + "/v1/widget/config")).json()
        assert (config["name"], config["theme"]["accent"]) == ({"en": "Shop"}, "#123456")
        assert config["suggestions"] == {"en": ["Where?"]}
        widget = await served.http.get(served.url + "/widget.js")
        assert widget.content_type == "text/javascript"
        again = await served.http.get(
            served.url + "/widget.js", headers={"If-None-Match": widget.headers["ETag"]}
        )
        assert again.status == 304


async def test_what_the_loader_fetches_may_be_kept_for_ever(tmp_path: Path) -> None:
    """Every built file is served to any page: small, by its own name, and once."""
    async with serving(tmp_path) as served:
        loader = await (await served.http.get(served.url + "/widget.js")).text()
        [main] = re.findall(r"main-[0-9a-f]{12}\.js", loader)
        found = await served.http.get(f"{served.url}/widget/{main}", headers={"Accept-Encoding": "gzip"})
        assert found.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert found.headers["Access-Control-Allow-Origin"] == "*"
        assert found.headers["Content-Encoding"] == "gzip"
        assert int(found.headers["Content-Length"]) <= 45 * 1024
        names = re.findall(r'"([\w-]+-[0-9a-f]{12}\.(?:js|json))"', await found.text())
        assert {name.rsplit("-", 1)[0] for name in names} >= {"preferences", "zh-CN"}
        for name in names:
            assert (await served.http.get(f"{served.url}/widget/{name}")).status == 200
        worker = await served.http.get(served.url + "/chatpush-sw.js")
        assert worker.headers["Service-Worker-Allowed"] == "/"
        assert (await served.http.get(served.url + "/widget/manifest.json")).status == 404
        assert (await served.http.get(served.url + "/widget/..%2fhealth.py")).status == 404


async def test_a_page_reports_only_what_a_page_can_see(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        seen = {"type": "cart", "item": "A1", "id": "1"}
        assert (await served.told("POST", "/v1/me/events", seen, user="emma"))["accepted"] == 1
        assert (await served.told("POST", "/v1/me/events", seen, user="emma"))["duplicates"] == 1
        forged = {"type": "order.delivered", "properties": {"order": "1001"}}
        assert (await served.ask("POST", "/v1/me/events", forged, user="emma")).status == 422


async def test_probes_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for path in ("/healthz", "/readyz"):
            assert (await served.http.get(served.url + path)).status == 200
        async with served.http.ws_connect(served.wire) as socket:
            await socket.send_json({"id": 1, "connect": {"token": served.token("emma")}})
            await socket.receive()
            metrics = await (await served.http.get(served.url + "/metrics")).text()
        assert 'chatpush_connections{tenant="default"} 1.0' in metrics
        assert 'chatpush_subscriptions{namespace="user",tenant="default"} 1.0' in metrics
        served.chatpush.readiness.draining = True
        assert (await served.http.get(served.url + "/readyz")).status == 503


async def test_vectors_that_fail_are_told_and_cost_no_traffic(tmp_path: Path) -> None:
    async with scripted_model() as model:
        model.json["embeddings"] = embeds
        writer = {"base_url": model.url, "api_key": "k", "embedding_model": "e"}
        async with serving(tmp_path, writer=writer) as served:
            article = {"id": "refunds", "title": "Refunds", "language": "en", "text": "Within five days."}
            await served.told("POST", "/v1/knowledge", {"articles": [article]})

            async def ready() -> Any:
                await served.told("POST", "/v1/knowledge/search", {"query": "refund", "locale": "en"})
                return await (await served.http.get(served.url + "/readyz")).json()

            async def metrics() -> str:
                return str(await (await served.http.get(served.url + "/metrics")).text())

            assert await ready() == {"status": "ok"}
            await until(lambda: len(model.asked) > 0)
            model.json["embeddings"] = lambda _: 400
            await served.told(
                "POST", "/v1/knowledge", {"articles": [{**article, "text": "Within six days."}]}
            )

            async def named() -> bool:
                return bool(await ready() == {"status": "ok", "without": ["embeddings"]})

            await until(named)
            shown = await metrics()
            assert "chatpush_embeddings_down 1.0" in shown
            assert 'chatpush_embeddings_made_total{of="knowledge"} 1.0' in shown
