"""Look at the built site in a browser: ``python doc/look.py doc/_build/html``; ``make doc`` does.

Every page, at two widths, light and dark: nothing may be wider than the window but what scrolls by
itself, no picture empty, the header on one line. Needs Chromium and its driver (Debian's packages
``chromium`` and ``chromium-driver``); where they are missing it says so and ends well.
"""

import shutil
import sys
from pathlib import Path

SIZES = {"desk": (1400, 900), "phone": (420, 800)}
MODES = ("light", "dark")
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
# Of a page: how much wider it is than the window, pictures without content, height of the header.
SCRIPT = """
const root = document.documentElement;
const empty = [...document.images].filter(
  i => i.offsetParent && !(i.complete && i.naturalWidth > 1)).map(i => i.getAttribute("src"));
const header = document.querySelector(".bd-header__inner");
return [root.scrollWidth - root.clientWidth, empty, header ? header.offsetHeight : 0];
"""


def browser(size):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in (*ARGUMENTS, f"--window-size={size[0]},{size[1]}"):
        options.add_argument(argument)
    # Wider than headless windows can be made narrow: the page is told its width.
    options.add_experimental_option(
        "mobileEmulation", {"deviceMetrics": {"width": size[0], "height": size[1], "pixelRatio": 1}}
    ) if size[0] < 500 else None
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def faults(driver, page, mode, is_wide) -> list[str]:
    driver.get(page.as_uri())
    driver.execute_script(f"document.documentElement.dataset.theme = '{mode}';")
    wider, empty, height = driver.execute_script(SCRIPT)
    found = [f"{wider} pixels too wide"] if wider > 0 else []
    found += [f"empty picture {source}" for source in empty]
    return found + ([f"header of {height} pixels"] if is_wide and height > 80 else [])


def main(folder):
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("no chromium and chromedriver: the site was not looked at")
        return 0
    pages = sorted(Path(folder).resolve().rglob("*.html"))
    n_faults = 0
    for name, size in SIZES.items():
        driver = browser(size)
        try:
            for page in pages:
                for mode in MODES:
                    for fault in faults(driver, page, mode, name == "desk"):
                        n_faults += 1
                        print(
                            f"{page.relative_to(Path(folder).resolve())}, {name}, {mode}: {fault}"
                        )
        finally:
            driver.quit()
    print(
        f"{len(pages)} pages looked at, at {len(SIZES)} widths, light and dark: {n_faults} faults"
    )
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
