"""Turn a PDF into an article, in a process that can be lost: ``python -m chatpush.support.knowledge.reading_pdf``.

PDFs come from anywhere, and some are made to eat memory. The process reads one
from standard input under an address-space limit and a processor-time limit and
writes pages as JSON; whatever happens to it is a clear error here. Needs the
extra ``chatpush[pdf]``.
"""

import io
import json
import logging
import os
import re
import resource
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chatpush.errors import InvalidKnowledge
from chatpush.support.knowledge.reading import Draft, finish

SUFFIX = ".pdf"
MAX_BYTES = 20_000_000
MAX_PAGES = 500
MAX_CHARS = 1_000_000
MEMORY_BYTES = 1024 * 1024 * 1024
PROCESSOR_SECONDS = 60
WAIT_SECONDS = 90.0


def read_pdf(path: Path, id: str) -> Draft:
    """Read one file.

    Raises:
        InvalidKnowledge: it is missing, too large, broken, encrypted, without text, or asks for too much.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidKnowledge(f"{path.name}: at most {MAX_BYTES:,} bytes; split it")
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidKnowledge(f"{path.name}: {error.strerror or error}") from error
    return pdf_of(raw, id, path.name)


def pdf_of(raw: bytes, id: str, name: str) -> Draft:
    """Read a PDF's bytes; blocks until that is done.

    Raises:
        InvalidKnowledge: as ``read_pdf``.
    """
    if find_spec("pypdf") is None:
        raise InvalidKnowledge(f"{name}: to read PDF, pip install 'chatpush[pdf]'")
    if not raw.lstrip()[:5].startswith(b"%PDF-"):
        raise InvalidKnowledge(f"{name}: this is no PDF")
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "chatpush.support.knowledge.reading_pdf"],
            input=raw, capture_output=True, timeout=WAIT_SECONDS, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise InvalidKnowledge(f"{name}: reading takes longer than {WAIT_SECONDS:g} s; split it") from error
    if done.returncode:
        raise InvalidKnowledge(f"{name}: the PDF is broken, or asks for too much memory or time")
    told: dict[str, Any] = json.loads(done.stdout)
    if "error" in told:
        raise InvalidKnowledge(f"{name}: {told['error']}")
    text = "\n\n".join(_joined(page) for page in told["pages"] if page.strip())
    if not text.strip():
        raise InvalidKnowledge(f"{name}: the PDF has no text; is it a scan?")
    head: dict[str, str | list[str]] = {"title": told["title"]} if told["title"] else {}
    return finish(id, name, head, text)


def _joined(page: str) -> str:
    """Return a page with its lines joined to paragraphs; a broken word becomes whole."""
    page = re.sub(r"(\w)-\n(\w)", r"\1\2", page)
    page = re.sub(r"(?<=[\u3000-\u9fff])\n(?=[\u3000-\u9fff])", "", page)
    return re.sub(r"(?<![\n.。:：!?！？])\n(?!\n)", " ", page)


def _pages(raw: bytes) -> dict[str, Any]:
    """Return a PDF's title and the texts of its pages, or what is wrong with it."""
    pypdf = import_module("pypdf")
    reader = pypdf.PdfReader(io.BytesIO(raw))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "the PDF is encrypted; save it without a password"}
    if len(reader.pages) > MAX_PAGES:
        return {"error": f"{len(reader.pages):,} pages; at most {MAX_PAGES}, split it"}
    pages: list[str] = []
    for page in reader.pages:
        pages.append(page.extract_text())
        if sum(map(len, pages)) > MAX_CHARS:
            return {"error": f"over {MAX_CHARS:,} characters of text; split it"}
    title = reader.metadata.title if reader.metadata else ""
    return {"title": str(title or "").strip()[:300], "pages": pages}


def main() -> None:
    """Do the work of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    logging.disable(logging.CRITICAL)  # what is odd in a PDF is not worth a word
    sys.stdout.write(json.dumps(_pages(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
