"""Look for what keeps people out of a page: axe-core's rules of WCAG 2.1, A and AA, and its best practices."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

SOURCE = Path(__file__).parents[1] / "widget" / "assets" / "axe.js"
RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


async def violations(page: Page) -> list[str]:
    """Return each rule that is broken, with the elements that break it."""
    # Evaluated by the debugger, not loaded by the page: its policy forbids foreign scripts.
    await page.evaluate(SOURCE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = await page.evaluate(RUN)
    return [
        f"{rule['id']}: {rule['help']}: {', '.join(node['html'][:160] for node in rule['nodes'][:4])}"
        for rule in found
    ]
