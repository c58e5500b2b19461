"""The realtime doors of the whole program: streams, one-way transports, blocks over a restart, keys of a JWKS."""

import json
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.serving import Served, serving

KEY = {"X-API-Key": "server-api-key"}


async def call(served: Served, method: str, **body: Any) -> Any:
    async with served.http.post(f"{served.url}/api/{method}", json=body, headers=KEY) as response:
        return await response.json()


async def test_a_stream_and_a_one_way_transport(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        first = {"id": 1, "connect": {"token": served.token("emma")}}
        bearer = {"Authorization": f"Bearer {served.token('lin')}"}
        async with (
            served.http.post(f"{served.url}/connection/http_stream", json=first) as stream,
            served.http.get(f"{served.url}/connection/uni_sse", headers=bearer) as events,
        ):
            connected = json.loads(await stream.content.readline())["connect"]
            assert "user:emma" in connected["subs"]
            assert b'"user:lin"' in await events.content.readline()
            where = {"session": connected["session"], "node": connected["node"]}
            body = {**where, "data": '{"id":2,"history":{"channel":"user:emma"}}'}
            async with served.http.post(f"{served.url}/emulation", json=body) as answer:
                assert answer.status == 204
            assert json.loads(await stream.content.readline())["history"]["epoch"]


async def test_a_block_holds_everywhere_and_over_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await served.ask("GET", "/v1/me/inbox", user="emma")).status == 200
        assert await call(served, "block_user", user="emma") == {"result": {}}
        assert (await served.ask("GET", "/v1/me/inbox", user="emma")).status == 401
    async with serving(tmp_path) as served:
        assert (await served.ask("GET", "/v1/me/inbox", user="emma")).status == 401
        assert (await served.ask("GET", "/v1/me/inbox", user="lin")).status == 200
        await call(served, "unblock_user", user="emma")
        assert (await served.ask("GET", "/v1/me/inbox", user="emma")).status == 200


async def test_a_token_of_an_identity_provider(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    listed = {**json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key())), "kid": "k1"}

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [listed]})

    app = web.Application()
    app.router.add_get("/jwks", keys)
    async with TestServer(app) as provider:
        token = {"hmac_secret_key": "a secret of thirty-two bytes or more, for tests"}
        token["jwks_public_endpoint"] = str(provider.make_url("/jwks"))
        async with serving(tmp_path, client={"token": token}) as served:
            signed = jwt.encode({"sub": "emma"}, key, "EdDSA", headers={"kid": "k1"})
            headers = {"Authorization": f"Bearer {signed}"}
            async with served.http.get(f"{served.url}/v1/me/inbox", headers=headers) as response:
                assert response.status == 200
            other = jwt.encode(
                {"sub": "emma"}, ed25519.Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "k1"}
            )
            headers = {"Authorization": f"Bearer {other}"}
            async with served.http.get(f"{served.url}/v1/me/inbox", headers=headers) as response:
                assert response.status == 401
            assert (await served.ask("GET", "/v1/me/inbox", user="emma")).status == 200
