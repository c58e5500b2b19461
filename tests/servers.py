"""Start the servers that tests need, private to one run and gone with it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

START_SECONDS = 30.0
INSTALL = (
    "PostgreSQL's programs (initdb, postgres) are missing and these tests don't run without them; "
    "`make test` installs them (Debian: apt-get install postgresql)"
)


@dataclass
class Postgres:
    """A running cluster; ``fresh`` makes an empty database in it."""

    port: int
    made: list[str] = field(default_factory=list)

    def url(self, database: str) -> str:
        return f"postgresql://chatpush@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{len(self.made)}"
        self.made.append(name)
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Throw a database away, whoever is still connected."""
        self.run(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run one statement in the cluster's own database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def program(name: str) -> str:
    """Return a PostgreSQL program's path, the newest version's if there are several.

    Raises:
        AssertionError: it isn't installed.
    """
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = shutil.which(name) or (str(places[-1]) if places else None)
    assert found, INSTALL
    return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a cluster that sorts text the English way and never waits for a disk.

    English sorting shows what a server in the wild may do to ``ORDER BY``.
    """
    account = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="chatpush-pg-"))
    if account:
        shutil.chown(home, account)
    data = home / "data"
    port = free_port()
    try:
        subprocess.run(
            [program("initdb"), "-D", data, "-U", "chatpush", "-A", "trust", "-E", "UTF8", "--no-sync",
             "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
            check=True, stdout=subprocess.DEVNULL, user=account, cwd=home,
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home, "fsync": "off",
            "synchronous_commit": "off", "full_page_writes": "off", "max_connections": 200,
            "shared_buffers": "32MB", "logging_collector": "off",
        }  # fmt: skip
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                [program("postgres"), "-D", data, *arguments], stdout=log, stderr=log, user=account, cwd=home
            )
        try:
            cluster = Postgres(port)
            _await(cluster, server, home / "log")
            yield cluster
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(START_SECONDS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(cluster: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the cluster answers; a process outside asyncio can only be asked again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.run("SELECT 1")
        except psycopg.OperationalError:
            assert server.poll() is None, f"PostgreSQL did not start:\n{log.read_text(errors='replace')}"
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)
        else:
            return
