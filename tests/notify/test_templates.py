"""Templates from files: trusted, versioned only when changed, with their faults named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chatpush.domain import TenantId, User, UserId
from chatpush.errors import InvalidTemplate
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from tests.notify.building import Room

GOOD = """
category = "marketing"

[en]
title = "Picked for you"
body = "{{ items|length }} things, from {{ items[0].price|money('GBP') }}"
format = "recommendation"

[zh-CN]
title = "为你挑选"
body = "{{ order.items|length }} 件"
actions = [{ id = "open", label = "看看 {{ order.items[0] }}", url = "/{{ order.items[0] }}" }]
"""


async def test_files_make_versions_only_when_they_change(
    room: Room, tenant: TenantId, tmp_path: Path
) -> None:
    file = tmp_path / "pick.toml"
    file.write_text(GOOD, encoding="utf-8")
    for _ in range(2):
        (loaded,) = await room.templates.load_directory(tenant, tmp_path)
        assert (loaded.pinned, loaded.category, loaded.trusted) == ("pick@1", "marketing", True)
    file.write_text(GOOD.replace("Picked", "Chosen"), encoding="utf-8")
    (loaded,) = await room.templates.load_directory(tenant, tmp_path)
    assert loaded.pinned == "pick@2"


async def test_a_restart_does_not_undo_what_people_changed(
    room: Room, tenant: TenantId, tmp_path: Path
) -> None:
    (tmp_path / "pick.toml").write_text(GOOD, encoding="utf-8")
    await room.templates.load_directory(tenant, tmp_path)
    changed = await room.templates.put(tenant, "pick", {"en": LocaleSource("Ours", "")})
    assert (changed.pinned, changed.trusted) == ("pick@2", False)
    await room.templates.load_directory(tenant, tmp_path)
    assert (await room.templates.get(tenant, "pick")).pinned == "pick@2"


async def test_locales_fall_back(room: Room, tenant: TenantId) -> None:
    both = await room.templates.put(
        tenant,
        "a",
        {"en": LocaleSource("", ""), "zh": LocaleSource("", ""), "pt-BR": LocaleSource("", "")},
        trusted=True,
    )
    wanted = ("zh-CN", "zh-Hans-SG", "en-GB", "fr", "pt", "pt-PT", "")
    assert [both.nearest(locale) for locale in wanted] == ["zh", "zh", "en", "en", "pt-BR", "pt-BR", "en"]
    foreign = await room.templates.put(tenant, "b", {"de": LocaleSource("", "")}, trusted=True)
    assert foreign.nearest("zh-CN") == "de"


async def test_data_wins_over_methods_of_the_same_name(room: Room, tenant: TenantId, tmp_path: Path) -> None:
    (tmp_path / "pick.toml").write_text(GOOD, encoding="utf-8")
    await room.templates.load_directory(tenant, tmp_path)
    user = User(tenant, UserId("lin"), locale="zh-CN")
    locale, content = await room.templates.preview(
        tenant, "pick", user, "zh-CN", {"order": {"items": ["A1", "B2"]}, "items": [], "public": {"x": 1}}
    )
    assert (locale, content.body) == ("zh-CN", "2 件")
    assert content.actions == ({"id": "open", "label": "看看 A1", "url": "/A1"},)
    assert content.data == {"items": [], "x": 1}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text.replace("{{ items|length }}", "one\n{{ two"), "pick.toml: "),
        (lambda text: text.replace("length }} things", "lenght }} things"), "pick.toml: en.body, line 1: No filter"),
        (lambda text: text.replace('"marketing"', '"spam"'), "pick.toml: no category 'spam'"),
        (lambda text: text.replace('"recommendation"', '"hologram"'), "pick.toml: en: no format 'hologram'"),
        (lambda text: text.replace("[en]", "[en]\nsubject = 'x'"), "pick.toml: en.subject: no such key"),
        (lambda text: text.replace('title = "Picked for you"', ""), "pick.toml: en.title: missing"),
        (lambda text: text.replace('title = "Picked for you"', "title = 3"), "pick.toml: en.title: must be text"),
        (lambda text: text.replace("[zh-CN]", "[klingon!]"), "pick.toml: "),
        (lambda text: text.replace('id = "open", ', ""), "pick.toml: zh-CN.actions[0]: must have id"),
        (lambda text: "en = 3", "pick.toml: en: must be a table"),
        (lambda text: "", "pick.toml: a template has 1 to 50 locales"),
    ],
)  # fmt: skip
async def test_broken_files_name_themselves(
    room: Room, tenant: TenantId, tmp_path: Path, change: Callable[[str], str], complaint: str
) -> None:
    (tmp_path / "pick.toml").write_text(change(GOOD), encoding="utf-8")
    with pytest.raises(InvalidTemplate) as caught:
        await room.templates.load_directory(tenant, tmp_path)
    assert caught.value.message.startswith(complaint)


async def test_a_missing_directory_and_a_binary_file(room: Room, tenant: TenantId, tmp_path: Path) -> None:
    with pytest.raises(InvalidTemplate, match="templates_dir"):
        await room.templates.load_directory(tenant, tmp_path / "nope")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidTemplate, match=r"x\.toml"):
        await room.templates.load_directory(tenant, tmp_path)


async def test_tenants_see_only_their_own(room: Room, tenant: TenantId, database: Database) -> None:
    await room.templates.put(tenant, "mine", {"en": LocaleSource("", "")}, trusted=True)
    with pytest.raises(Exception, match="no template"):
        await room.templates.get(TenantId("other"), "mine")
