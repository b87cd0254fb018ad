"""A real headless Chromium, in which reports are looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needed = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

_QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
          "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # fmt: skip


@dataclass
class Seen:
    """A page, what it complained of, and what it asked for beside itself."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


_kept: Callable[[], Any] | None = None
"""What returns the browser that is kept open, if one is to be."""


@contextmanager
def _started() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        browser.close()


@contextmanager
def kept() -> Iterator[None]:
    """Open what is opened inside in one browser, which takes a second to start; each page has a profile of its own."""
    global _kept  # noqa: PLW0603 - there is one at a time
    with ExitStack() as stack:
        _kept = cache(lambda: stack.enter_context(_started()))
        try:
            yield
        finally:
            _kept = None


@contextmanager
def opened(
    path: Path, width: int = 1200, height: int = 900, dark: bool = False, scripts: bool = True
) -> Iterator[Seen]:
    """The file in a browser that is offline, perhaps without JavaScript."""
    with nullcontext(_kept()) if _kept else _started() as browser:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            offline=True,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        try:
            seen = Seen(context.new_page())
            seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
            seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
            seen.page.on("request", lambda asked: seen.requests.append(asked.url))
            seen.page.goto(path.as_uri())
            yield seen
        finally:
            context.close()


def drawn(page: Any, name: str) -> Any:
    """The plot of an exhibit, once it is in view and drawn."""
    page.locator(f"#{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#plot-{name}[data-drawn]", timeout=60_000)
    return page.locator(f"#plot-{name}")
