"""Tell whether the committed widget.js was built from the source beside this file.

Needs no Node: the build writes two hashes into the first lines of the built
file, one of everything that goes into it and one of the code itself. A source
changed without a rebuild, or a built file edited by hand, shows as a mismatch.
`npm run check` goes further and compares with a full rebuild.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

WIDGET = Path(__file__).parent
BUILT = WIDGET.parent / "static" / "widget.js"
# build.mjs computes the same: keep the two alike.
SOURCES = ("build.mjs", "package.json", "package-lock.json", "tsconfig.json", "locales", "src")
BANNER = re.compile(
    r"\A/\*!.*?source sha256 (?P<source>[0-9a-f]{64})\n \* code sha256 (?P<code>[0-9a-f]{64}) \*/\n",
    re.DOTALL,
)


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


def problems(built: Path = BUILT, widget: Path = WIDGET) -> list[str]:
    """Return what is wrong with the built file, in words; nothing when it matches."""
    if not built.is_file():
        return [f"{built.name} is missing: run `npm ci && npm run build` in chatpush/web/widget"]
    text = built.read_bytes().decode("utf-8")
    banner = BANNER.match(text)
    if banner is None:
        return [f"{built.name} has no build banner: run `npm run build` in chatpush/web/widget"]
    found: list[str] = []
    if banner["source"] != source_hash(widget):
        found.append(f"{built.name} is older than its source: run `npm run build` in chatpush/web/widget")
    if banner["code"] != hashlib.sha256(text[banner.end() :].encode("utf-8")).hexdigest():
        found.append(f"{built.name} was edited after it was built: change the source and run `npm run build`")
    return found


def main() -> int:
    """Print the problems and return the exit status."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
