"""Tell whether the committed files of the widget were built from the source beside this file.

Needs no Node: the build leaves a manifest with one hash of everything that goes
into it and one of every file that comes out. A source changed without a
rebuild, a built file edited by hand, a missing or a forgotten one, and one that
grew beyond what pages may be asked to load all show. ``npm run check`` goes
further and compares with a full rebuild.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

WIDGET = Path(__file__).parent
STATIC = WIDGET.parent / "static"
# build.mjs computes the same, and holds to the same bounds: keep the two alike.
SOURCES = ("build.mjs", "package.json", "package-lock.json", "tsconfig.json", "locales", "src")
MANIFEST = "widget/manifest.json"
MOST_LOADER = 5 * 1024
MOST_WIDGET = 45 * 1024
REBUILD = "run `npm ci && npm run build` in chatpush/web/widget"


def source_hash(widget: Path = WIDGET) -> str:
    """Return the hash of every file that takes part in the build, by name and content."""
    files: list[Path] = []
    for name in SOURCES:
        path = widget / name
        files += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    digest = hashlib.sha256()
    for name, path in sorted((file.relative_to(widget).as_posix(), file) for file in files):
        body = path.read_bytes()
        digest.update(f"{name}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()


def sizes(static: Path = STATIC) -> dict[str, int]:
    """Return what each built file weighs on the wire: bytes after gzip -9, by name."""
    return {name: len(gzip.compress((static / name).read_bytes(), 9)) for name in _listed(static)}


def problems(static: Path = STATIC, widget: Path = WIDGET) -> list[str]:
    """Return what is wrong with the built files, in words; nothing when they match."""
    if not (static / MANIFEST).is_file():
        return [f"{MANIFEST} is missing: {REBUILD}"]
    manifest = json.loads((static / MANIFEST).read_text("utf-8"))
    found: list[str] = []
    if manifest["source"] != source_hash(widget):
        found.append(f"the built files are older than their source: {REBUILD}")
    for name, digest in manifest["files"].items():
        path = static / name
        if not path.is_file():
            found.append(f"{name} is missing: {REBUILD}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(f"{name} was edited after it was built: change the source and run `npm run build`")
    there = {path.relative_to(static).as_posix() for path in (static / "widget").iterdir()}
    stale = sorted(there - {*manifest["files"], MANIFEST})
    found += [f"{name} is not built any more: {REBUILD}" for name in stale]
    return found or _too_big(static)


def _too_big(static: Path) -> list[str]:
    bounds = {"widget.js": MOST_LOADER, "widget/main-": MOST_WIDGET}
    return [
        f"{name} is {size} bytes after gzip; pages may be asked for {most}"
        for name, size in sizes(static).items()
        for start, most in bounds.items()
        if name.startswith(start) and size > most
    ]


def _listed(static: Path) -> list[str]:
    manifest: dict[str, dict[str, str]] = json.loads((static / MANIFEST).read_text("utf-8"))
    return list(manifest["files"])


def main() -> int:
    """Print the problems and return the exit status."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
