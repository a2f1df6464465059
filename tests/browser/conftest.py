"""Chromium without a window, driven by its own driver: nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = "apt-get install -y chromium chromium-driver"
Visit = Callable[[bytes], Any]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip(f"there is no chromium with its driver: {INSTALL}")
    if find_spec("selenium") is None:
        pytest.skip("selenium is not installed: pip install --group test")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("profile")
    for each in (
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
        "--window-size=1280,900",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path of the driver keeps selenium from looking for one, in the network too
    opened = Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    """Opens a page. At the end of the test nothing must be in the browser's console."""

    def go(content: bytes) -> Any:
        path = tmp_path / "report.html"
        path.write_bytes(content)
        browser.get(path.as_uri())
        return browser

    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what other tests have left
    yield go
    assert browser.get_log("browser") == []
