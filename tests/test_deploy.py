"""What stands in deploy/ fits the program: files that are copied, commands, variables, probes, patience."""

import fnmatch
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatpush.cli.main import PLACES, cli
from chatpush.configuration import load
from chatpush.process import GRACE_SECONDS
from tests.serving import serving

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES: list[dict[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
)
POD = next(one for one in KUBERNETES if one["kind"] == "StatefulSet")["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
SERVICE = COMPOSE["services"]["chatpush"]


def instruction(word: str) -> list[str]:
    """Return the arguments of a Dockerfile's instructions of a kind."""
    return re.findall(rf"^ *{word} (.+)$", DOCKERFILE, re.MULTILINE)


def test_everything_that_is_copied_is_there_and_not_kept_out() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for copied in instruction("COPY")
        if not copied.startswith("--from")
        for source in shlex.split(copied)[:-1]
    ]
    assert "chatpush" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), f"{source} is kept out"


@pytest.mark.parametrize(
    "words",
    [
        json.loads(instruction("CMD")[-1]),
        ["init", "/data", "--origin", "https://www.example.com"],
    ],
)
def test_the_commands_are_understood(words: list[str]) -> None:
    place = next(number for number, word in enumerate(words) if word in PLACES)
    context = cli.make_context("chatpush", words[: place + 1])
    command = cli.get_command(context, words[place])
    assert command is not None
    command.make_context(words[place], words[place + 1 :], parent=context)


@pytest.mark.parametrize(
    "given",
    [
        SERVICE["environment"],
        {one["name"]: one["value"] for one in CONTAINER["env"]},
        dict(re.findall(r"(CHATPUSH_\w+)=(\S+)", DOCKERFILE)),
    ],
    ids=["compose", "kubernetes", "Dockerfile"],
)
def test_variables_are_settings_and_drains_have_their_time(given: dict[str, str]) -> None:
    assert given
    settings = load(None, given)
    needed = settings.server.drain_seconds + GRACE_SECONDS
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > needed
    assert POD["terminationGracePeriodSeconds"] > needed


async def test_probes_are_answered(tmp_path: Path) -> None:
    asked = [
        CONTAINER[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")
    ]
    asked += re.findall(r"127\.0\.0\.1:8000(/\w+)", DOCKERFILE)
    metadata = next(one for one in KUBERNETES if one["kind"] == "StatefulSet")["spec"]["template"]["metadata"]
    asked.append(metadata["annotations"]["prometheus.io/path"])
    assert len(asked) == 5
    async with serving(tmp_path) as served:
        for path in asked:
            assert (await served.http.get(served.url + path)).status == 200


def test_nobody_is_root_and_nothing_but_the_volume_is_written() -> None:
    user = int(instruction("USER")[0])
    assert POD["securityContext"]["runAsUser"] == user
    assert POD["securityContext"]["runAsNonRoot"] is True
    for container in (*POD["initContainers"], CONTAINER):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    volume = instruction("VOLUME")[0]
    assert SERVICE["volumes"] == [f"data:{volume}"]
    assert {mount["mountPath"] for mount in CONTAINER["volumeMounts"]} == {volume, "/tmp"}


def test_all_speak_of_the_same_port() -> None:
    port = int(instruction("EXPOSE")[0])
    assert str(port) in json.loads(instruction("CMD")[-1])
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": port}]
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}"]
