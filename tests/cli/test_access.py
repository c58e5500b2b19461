"""Keys, people and tokens from the command line: what an operator does who lost one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chatpush.app import Chatpush
from chatpush.cli.main import PLACES, cli
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import NotFound

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a way to run commands on a fresh installation."""
    runner = CliRunner()

    def call(*words: str) -> Result:
        return runner.invoke(cli, ["--config", str(tmp_path / "chatpush.toml"), *words])

    created = runner.invoke(cli, ["init", str(tmp_path)])
    assert created.exit_code == 0, created.output
    return call


def test_a_key_is_shown_once_and_can_be_revoked(run: Run) -> None:
    secret = run("keys", "issue", "backend", "--scope", "messages:write").output.strip()
    page = run("keys", "issue", "pages", "--publishable").output.strip()
    assert (secret[:3], page[:3]) == ("sk_", "pk_")
    listed = run("keys", "list").output
    assert secret[-4:] in listed
    assert secret not in listed
    key = next(line.split()[0] for line in listed.splitlines() if "backend" in line)
    assert run("keys", "revoke", key).exit_code == 0
    assert any("revoked" in line for line in run("keys", "list").output.splitlines() if "backend" in line)
    assert "no_such:scope" in str(run("keys", "issue", "x", "--scope", "no_such:scope").exception)


def test_who_lost_a_password_gets_a_new_one(run: Run, tmp_path: Path) -> None:
    first = run("people", "add", "bob@example.com", "--role", "agent").output.strip()
    second = run("people", "password", "BOB@example.com").output.strip()
    assert first != second

    async def sign_in() -> None:
        async with Chatpush(load(tmp_path / "chatpush.toml", {})).records() as chatpush:
            await chatpush.people.sign_in(DEFAULT_TENANT, "bob@example.com", second, "127.0.0.1")

    asyncio.run(sign_in())
    assert run("people", "remove", "bob@example.com").exit_code == 0
    assert "bob@example.com" not in run("people", "list").output
    assert isinstance(run("people", "password", "nobody@example.com").exception, NotFound)


def test_a_token_proves_a_user(run: Run, tmp_path: Path) -> None:
    token = run("token", "42").output.strip()

    async def verify() -> str:
        async with Chatpush(load(tmp_path / "chatpush.toml", {})).records() as chatpush:
            return (await chatpush.tokens.verify_connection(DEFAULT_TENANT, token)).user

    assert asyncio.run(verify()) == "42"


@pytest.mark.parametrize("command", list(PLACES))
def test_every_command_says_what_it_does(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_an_unknown_command_is_told_so() -> None:
    result = CliRunner().invoke(cli, ["campaign"])
    assert result.exit_code == 2
    assert "No such command" in result.output
