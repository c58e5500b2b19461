"""Migrations that others have run are never edited: a change is a new file.

``migrations.sha256`` holds the digest of each, as ``sha256sum`` writes and
checks them (run in ``chatpush/store/migrations``). A new migration adds its
line: ``sha256sum NNNN_name.sql >> tests/store/migrations.sha256``.
"""

from hashlib import sha256
from pathlib import Path

from chatpush.store.migrate import DIRECTORY, statements

DIGESTS = Path(__file__).with_name("migrations.sha256")


def committed() -> dict[str, str]:
    """Return file → digest as they were written down."""
    lines = DIGESTS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def present() -> dict[str, str]:
    """Return file → digest as they are."""
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(DIRECTORY.glob("*.sql"))}


def test_no_migration_was_edited_or_removed() -> None:
    now = present()
    changed = [name for name, digest in committed().items() if now.get(name) != digest]
    assert not changed, (
        f"{', '.join(changed)}: databases have run it as it was; put it back and write a new migration"
    )


def test_every_migration_is_written_down() -> None:
    missing = sorted(set(present()) - set(committed()))
    assert not missing, (
        f"add: cd chatpush/store/migrations && sha256sum {' '.join(missing)} >> {DIGESTS.name}"
    )


def test_names_say_their_order_and_numbers_are_used_once() -> None:
    numbers = [name[:4] for name in present()]
    assert numbers == sorted(set(numbers))
    assert all(statements((DIRECTORY / name).read_text(encoding="utf-8")) for name in present())
