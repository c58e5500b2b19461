"""Generate the reference pages from the program; ``python -m tests.reference`` writes them.

Tests compare the committed pages with what this module makes, so that the
reference can't go stale.
"""

from pathlib import Path

from chatpush.settings import PREFIX, ChannelOptions, table

DIRECTORY = Path(__file__).parent.parent / "docs" / "reference"


def settings_page() -> str:
    """Return docs/reference/settings.md."""
    rows = [
        f"| `{name}` | `{_shown(default)}` | {text} |"
        for name, default, text in table()
        if name != "channel.namespaces"
    ]
    options = [
        f"| `{name}` | `{_shown(info.default)}` | {info.description} |"
        for name, info in ChannelOptions.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Read from `chatpush.toml`, then from variables: `client.insecure` is "
            f"`{PREFIX}CLIENT_INSECURE`; lists and tables are given as JSON. An unknown name stops the start.",
            "",
            "| setting | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
            "## Channels",
            "",
            "Rules for channels without a colon stand under `[channel.without_namespace]`, those of a namespace in a "
            "`[[channel.namespaces]]` table with its `name`. `user`, `conversation`, `console` are built in; a table "
            "of the same name replaces them.",
            "",
            "| option | default | meaning |",
            "|---|---|---|",
            *options,
            "",
        ]
    )


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str):
        return f'"{default}"'
    return str(default)


PAGES = {"settings.md": settings_page}


if __name__ == "__main__":
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(page(), encoding="utf-8")
