"""Send by apprise in a process of its own, where it can reach the public internet and nothing else.

Apprise knows well over a hundred services, blocks while it talks to them, and
believes every address it is given. Here an audit hook of the interpreter looks
at each connection right before it is made, whichever library makes it, so no
name, redirect or parameter leads into our own network; files are not read,
programs not started. The parent bounds time by killing us.

Run as ``python -m chatpush.channels.apprise_worker``; one reply per request.
"""

import os
import re
import resource
import sys
from typing import Any

import apprise

from chatpush.channels.outgoing import is_public
from chatpush.notify.templates.pipes import frame, read_frame

MEMORY_BYTES = 1024 * 1024 * 1024
LOCAL = frozenset(
    {"blink1", "dbus", "deltachat", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)
"""Services that are on this machine, or talk to it."""
CONNECTING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
RUNNING = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
READABLE = tuple(
    {os.path.realpath(path) + os.sep for path in (*sys.path, sys.prefix, sys.base_prefix) if path}
)
STATUS = re.compile(r"\berror=(\d{3})\b")
BUSY = (408, 425, 429)


class Watch:
    """The audit hook, and whether it had to refuse something."""

    def __init__(self) -> None:
        self.allow_private = False
        self.refused = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse by raising."""
        if event in CONNECTING and not self._may_reach(arguments[1]):
            self._refuse("this address is inside a private network")
        elif event in RUNNING:
            self._refuse("no programs are started here")
        elif event == "open" and not self._may_open(arguments[0]):
            self._refuse("no files are opened here")

    def _may_reach(self, address: Any) -> bool:
        """Only numbers are looked at; what is no (host, port) pair is something local."""
        if not isinstance(address, tuple) or not isinstance(address[0], str):
            return False
        return self.allow_private or is_public(address[0])

    def _may_open(self, file: Any) -> bool:
        """Libraries load parts of themselves late; nothing else is read."""
        if isinstance(file, int):
            return True
        return os.path.realpath(os.fsdecode(file)).startswith((*READABLE, "/usr/share/zoneinfo", "/etc/mime"))

    def _refuse(self, words: str) -> None:
        self.refused = True
        raise PermissionError(words)


def answer(request: dict[str, Any], watch: Watch) -> dict[str, str]:
    """Return what became of a request: sent, invalid, forbidden, refused or failed, and in which words."""
    watch.allow_private, watch.refused = request["allow_private"], False
    address = request["address"]
    if address.partition("://")[0].lower() in LOCAL:
        return {"outcome": "forbidden", "words": "this service is on the server itself"}
    asset = apprise.AppriseAsset(async_mode=False, secure_logging=True, plugin_paths=[])
    service = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if service is None or isinstance(service, list):
        return {"outcome": "invalid", "words": "apprise knows no such address"}
    if request.get("only_check"):
        return {"outcome": "sent", "words": str(service.service_name)}
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    with apprise.LogCapture(level=apprise.logging.INFO) as said:  # type: ignore[no-untyped-call]
        went = sender.notify(
            title=request["title"], body=request["body"], body_format=apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.WARNING if request["urgent"] else apprise.NotifyType.INFO,
        )  # fmt: skip
        return _outcome(bool(went), said.getvalue(), str(service.service_name), watch)


def _outcome(went: bool, said: str, name: str, watch: Watch) -> dict[str, str]:
    """Return an outcome in words of our own: what apprise logs may hold the address."""
    if went:
        return {"outcome": "sent", "words": name}
    if watch.refused:
        return {"outcome": "forbidden", "words": f"{name} leads into a private network"}
    status = int(found.group(1)) if (found := STATUS.search(said)) else 0
    if 300 <= status < 500 and status not in BUSY:
        return {"outcome": "refused", "words": f"{name} answered {status}"}
    return {
        "outcome": "failed",
        "words": f"{name} answered {status}" if status else f"{name} can't be reached",
    }


def work() -> None:
    """Answer requests until the pipe closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    watch = Watch()
    sys.addaudithook(watch)
    while (request := read_frame(sys.stdin.buffer)) is not None:
        try:
            reply = answer(request, watch)
        # A service is foreign code: whatever it raises is about this request alone.
        except Exception as error:
            kind = "forbidden" if watch.refused else "refused"
            reply = {"outcome": kind, "words": f"the service failed: {type(error).__name__}"}
        sys.stdout.buffer.write(frame(reply))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    work()
