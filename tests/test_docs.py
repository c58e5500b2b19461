"""The manual holds what it promises: pages are followed, references are current, links lead somewhere."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.async_api import async_playwright, expect

from chatpush.configuration import load, table
from chatpush.realtime.session import HANDLERS
from chatpush.settings import ChannelOptions, Settings
from chatpush.web.realtime_api.server_methods import METHODS
from tests import reference
from tests.manual import BLOCK, DOCS, ROOT, blocks, terminal
from tests.servers import free_port
from tests.serving import SECRET, serving
from tests.support.scripted_model import scripted_model, text
from tests.widget.conftest import ARGS, browser_path

PAGES = sorted(DOCS.rglob("*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CHANGELOG.md"]
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
PATIENCE_SECONDS = 600  # pages start many programs
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
SETTING = re.compile(r"`([a-z_]+(?:\.[a-z_]+)+)`")
SECTIONS = tuple(
    name for name, info in Settings.model_fields.items() if hasattr(info.annotation, "model_fields")
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.timeout(PATIENCE_SECONDS)
async def test_the_tutorial_works_word_by_word(tmp_path: Path) -> None:
    port, page_port = free_port(), free_port()
    replaced = {
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "localhost:3000": f"localhost:{page_port}",
        "http.server 3000": f"http.server {page_port}",
    }
    async with terminal(tmp_path, replaced, CHATPUSH_SERVER_PORT=str(port)) as reader:
        await reader.follow(DOCS / "tutorial.md")
        await look_at_the_page(f"http://localhost:{page_port}")


async def look_at_the_page(address: str) -> None:
    """Open the reader's page and find in the inbox what the tutorial has sent."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        page = await browser.new_page(locale="en-GB")
        await page.goto(address)
        await page.locator("chatpush-widget .launcher").click()
        await page.locator("chatpush-widget #tab-inbox").click()
        titles = page.locator("chatpush-widget .item h3")
        await expect(titles).to_have_text(["New on the shelf", "News", "Thank you, Emma", "Welcome"])
        await browser.close()


@pytest.mark.timeout(PATIENCE_SECONDS)
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
async def test_a_how_to_page_works_word_by_word(page: Path, tmp_path: Path) -> None:
    """Each page begins at a running server, with what how-to/README.md says is at hand."""
    home = tmp_path / "server"
    home.mkdir()
    async with scripted_model() as model:
        model.will(*[text("You have 30 days [1].") for _ in range(5)])
        writer = {"base_url": model.url, "api_key": "any"} if page.stem == "model" else {}
        quotes = {"name": "quotes", "durability": "memory", "history_size": 2, "history_ttl_seconds": 60}
        channel = {"namespaces": [quotes]} if page.stem == "finance" else {}
        mail = {"host": "127.0.0.1", "sender": "shop@example.com"}
        channels = {"email": mail} if page.stem == "consent" else {}
        async with serving(home, writer=writer, channel=channel, channels=channels) as served:
            replaced = {"http://127.0.0.1:8000": served.url}
            variables = {
                "CHATPUSH_URL": served.url,
                "CHATPUSH_KEY": served.secret,
                "AUTH": f"Authorization: Bearer {served.secret}",
                "TOKEN_SECRET": SECRET,
                "DATA": str(home),
            }
            place = tmp_path / "page"
            place.mkdir()
            async with terminal(place, replaced, **variables) as reader:
                await reader.follow(page)
            if page.stem == "model":
                assert model.requests, "the page's question never came to the model"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_configuration_on_a_page_is_valid(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml" and not block.saved_as:
            path = tmp_path / "chatpush.toml"
            path.write_text(block.text, encoding="utf-8")
            load(path, {})
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.saved_as.endswith(".jsonl"):
            assert all(json.loads(line) for line in block.text.splitlines())
        elif block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", [*READMES, *PAGES], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    source = CODE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(source):
        if re.match(r"[a-z]+:", target):
            continue
        address, _, heading = unquote(target).partition("#")
        there = (page.parent / address).resolve() if address else page
        if not there.exists() or (heading and heading not in headings(there)):
            broken.append(target)
    assert not broken, f"{named(page)}: {', '.join(broken)}"


def headings(page: Path) -> set[str]:
    """Return a page's anchors as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", [page for page in [*READMES, *PAGES] if page.name != "api.md"], ids=named)
def test_every_setting_a_page_speaks_of_exists(page: Path) -> None:
    known = (
        {name for name, _, _ in table()}
        | set(SECTIONS)
        | {f"channel.{name}" for name in ChannelOptions.model_fields}
    )
    known |= {name.rpartition(".")[0] for name in known}
    source = page.read_text(encoding="utf-8")
    spoken = {name for name in SETTING.findall(source) if name.split(".")[0] in SECTIONS}
    files = {name for name in spoken if name.endswith((".py", ".md", ".toml", ".db"))}
    own = {name for name in spoken if name.startswith("plugins.settings.")}
    assert spoken - files - own <= known


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_the_reference_is_current(name: str) -> None:
    written = (reference.DIRECTORY / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "run: python -m tests.reference"


def test_the_reference_holds_nothing_else() -> None:
    assert {path.name for path in reference.DIRECTORY.iterdir()} == set(reference.PAGES)


def test_every_page_is_in_the_index() -> None:
    linked = {
        (index.parent / target.partition("#")[0]).resolve()
        for index in (DOCS / "README.md", DOCS / "plugins" / "README.md")
        for target in LINK.findall(index.read_text(encoding="utf-8"))
    }
    missing = [named(page) for page in PAGES if page.resolve() not in linked and page != DOCS / "README.md"]
    assert not missing


def test_the_protocols_page_names_every_command_and_method() -> None:
    page = (DOCS / "protocol.md").read_text(encoding="utf-8")
    commands, methods = page.partition("## The server API")[::2]
    assert [name for name in HANDLERS if f"| `{name}` |" not in commands] == []
    assert [name for name in METHODS if f"`{name}`" not in methods] == []


async def test_the_protocols_page_names_every_transport(tmp_path: Path) -> None:
    page = (DOCS / "protocol.md").read_text(encoding="utf-8")
    async with serving(tmp_path) as served:
        paths = {resource.canonical for resource in served.chatpush.web_app().router.resources()}
    transports = {path for path in paths if path.startswith(("/connection/", "/emulation"))}
    assert len(transports) > 1
    assert [path for path in sorted(transports) if f"{path}`" not in page] == []


def test_readmes_ten_lines_are_the_minimal_example() -> None:
    example = (ROOT / "examples" / "minimal" / "main.py").read_text(encoding="utf-8")
    bare = re.sub(r'^\s*""".*"""\n', "", example, flags=re.MULTILINE).strip()
    bare = bare.replace('if __name__ == "__main__":\n    asyncio.run(main())', "asyncio.run(main())")
    for readme in READMES[:2]:
        shown = [block.text.strip() for block in blocks(readme) if block.language == "python"]
        assert shown == [bare], readme.name
