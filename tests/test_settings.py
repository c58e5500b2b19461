"""Settings: a wrong key or value stops the start and says what to write instead."""

from pathlib import Path

import pytest

from chatpush.bridges import rules_of
from chatpush.configuration import load, table
from chatpush.errors import InvalidSettings
from chatpush.settings import Settings
from tests.reference import settings_page

ROOT = Path(__file__).parent.parent


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chatpush.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_then_variables_decide(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'data_dir = "d"\n[server]\nport = 9000\n[client]\nallowed_origins = ["https://a"]\n'
    )
    settings = load(
        path, {"CHATPUSH_SERVER_PORT": "9001", "CHATPUSH_CLIENT_ALLOWED_ORIGINS": '["https://b"]'}
    )
    assert settings.server.port == 9001
    assert settings.client.allowed_origins == ["https://b"]
    assert settings.data_dir == str(tmp_path / "d")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1\n", "server.prot: no such setting; did you mean server.port?"),
        ('[server]\nport = "x"\n', "server.port: must be a valid integer"),
        ("[server]\nport = 70000\n", "server.port: must be less than or equal to 65535"),
        ('[[channel.namespaces]]\nname = "a b"\n', "channel.namespaces.0.name"),
        ("[server\n", "chatpush.toml"),
        ('[writer]\nbase_url = "localhost:9000"\n', "writer.base_url: must be an address such as https://"),
        ('[server]\npublic_url = "push.example.com"\n', "server.public_url: must be an address"),
        (
            '[client]\nallowed_origins = ["http://localhost:3000/"]\n',
            "client.allowed_origins.0: must be an origin such as https://shop.example.com, without a path",
        ),
    ],
)
def test_mistakes_in_the_file_are_told_by_name(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(write(tmp_path, text), {})
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("CHATPUSH_SERVER_PROT", "1", "did you mean CHATPUSH_SERVER_PORT?"),
        ("CHATPUSH_CLIENT_ALLOWED_ORIGINS", "https://a", "must be JSON"),
        ("CHATPUSH_CLIENT_INSECURE", "perhaps", "client.insecure"),
    ],
)
def test_mistakes_in_variables_are_told_by_name(variable: str, value: str, told: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(None, {variable: value})
    assert told in caught.value.message


@pytest.mark.parametrize("window", ["25:00-99:00", "22:00", "22-8", "08:00-08:00"])
def test_quiet_hours_that_never_are_stop_the_start(window: str) -> None:
    with pytest.raises(InvalidSettings, match=r"notify\.default_quiet_hours: "):
        rules_of(Settings.model_validate({"notify": {"default_quiet_hours": window}}).notify)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="chatpush init"):
        load(tmp_path / "none.toml", {})


def test_a_model_is_taken_from_the_usual_variables() -> None:
    settings = load(None, {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://m/v1", "OPENAI_MODEL": "m"})
    assert (settings.writer.enabled, settings.writer.model) == (True, "m")
    assert not Settings().writer.enabled


def test_namespaces_of_the_file_replace_built_in_ones() -> None:
    settings = Settings.model_validate({"channel": {"namespaces": [{"name": "user", "history_size": 7}]}})
    options = settings.channel.options("user:42")
    assert options is not None
    assert options.history_size == 7
    assert settings.channel.options("conversation:1") is not None
    assert settings.channel.options("nowhere:1") is None
    assert settings.channel.options("plain") == settings.channel.without_namespace


def test_every_setting_is_described_and_documented() -> None:
    assert all(help_text.endswith(".") for _, _, help_text in table())
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(), "run: python -m tests.reference"


def test_directories_of_the_file_are_meant_beside_it(tmp_path: Path) -> None:
    text = 'data_dir = "data"\n[plugins]\ndirectory = "plugins"\n[notify]\ntemplates_dir = "/texts"\n'
    settings = load(write(tmp_path, text), {})
    assert settings.plugins.directory == str(tmp_path / "plugins")
    assert settings.notify.templates_dir == "/texts"
    assert settings.data_dir == str(tmp_path / "data")
