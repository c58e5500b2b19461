"""Number a template's versions, and say which one is in use.

Versions never change and never go. The one in use is the one published last,
so going back is publishing an older one again; a draft was never published.
"""

from chatpush.errors import NotFound
from chatpush.store.database import Row, Transaction


def insert_in(tx: Transaction, row: Row, *, publish: bool) -> Row:
    """Insert the row as the next version, or return the one it does not differ from.

    A file is compared with the last file of its name, so that a restart does
    not put it over what people have changed through the API since.
    """
    newest = "SELECT * FROM template WHERE tenant = :t AND name = :n{} ORDER BY version DESC LIMIT 1"
    present = tx.query(newest.format(""), t=row["tenant"], n=row["name"])
    files = tx.query(newest.format(" AND trusted = 1"), t=row["tenant"], n=row["name"])
    compared = files if row["trusted"] else present
    if compared and compared[0]["fingerprint"] == row["fingerprint"]:
        same = compared[0]
        again = publish and (same["published_at"] is None or not (row["trusted"] or _in_use(tx, same)))
        return publish_in(tx, same, row["created_at"]) if again else same
    made = row | {
        "version": (present[0]["version"] if present else 0) + 1,
        "published_at": None,
        "reviewed_by": "",
    }
    tx.insert("template", made)
    return publish_in(tx, made, row["created_at"]) if publish else made


def version_in(tx: Transaction, tenant: str, name: str, version: int | None) -> Row:
    """Return one version, the newest if none is named.

    Raises:
        NotFound: there is none.
    """
    rows = tx.query(
        "SELECT * FROM template WHERE tenant = :t AND name = :n"
        + (" AND version = :v" if version is not None else " ORDER BY version DESC LIMIT 1"),
        t=tenant, n=name, **({"v": version} if version is not None else {}),
    )  # fmt: skip
    if not rows:
        which = f"{name[:64]}@{version}" if version is not None else name[:64]
        raise NotFound(f"no template {which!r}", param="version" if version is not None else "name")
    return rows[0]


def publish_in(tx: Transaction, row: Row, now: int) -> Row:
    """Make a version the one in use; a clock that stands still or goes back changes nothing about that."""
    place = {"t": row["tenant"], "n": row["name"]}
    last = tx.query("SELECT MAX(published_at) AS at FROM template WHERE tenant = :t AND name = :n", **place)
    at = max(now, (last[0]["at"] or 0) + 1)
    tx.execute(
        "UPDATE template SET published_at = :at WHERE tenant = :t AND name = :n AND version = :v",
        at=at, v=row["version"], **place,
    )  # fmt: skip
    return row | {"published_at": at}


def _in_use(tx: Transaction, row: Row) -> bool:
    last = tx.query(
        "SELECT MAX(published_at) AS at FROM template WHERE tenant = :t AND name = :n",
        t=row["tenant"], n=row["name"],
    )  # fmt: skip
    return bool(last[0]["at"] == row["published_at"])
