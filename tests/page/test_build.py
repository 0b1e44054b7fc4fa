import base64
import re
from hashlib import sha256
from pathlib import Path

import pytest
from page_steps import Run

import build_page

pytestmark = pytest.mark.page

PAGE, LANDING = (file.read_text("utf-8") for file in (build_page.PAGE, build_page.LANDING))
MOST_BYTES = 200_000


def test_the_page_is_the_build_of_its_sources(npm: Run, tmp_path: Path) -> None:
    npm("build", str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text("utf-8") == PAGE
    npm("build", "--landing", str(tmp_path / "landing.html"))
    assert (tmp_path / "landing.html").read_text("utf-8") == LANDING


def test_the_sources_of_the_page_pass_the_type_checker(npm: Run) -> None:
    npm("check")


def test_the_modules_of_the_page_pass_their_own_tests(npm: Run) -> None:
    npm("test")


def test_the_made_up_apps_have_the_tools_of_the_server() -> None:
    assert build_page.TOOLS.read_text("utf-8") == build_page.tools()


def test_the_page_has_at_most_200_kb() -> None:
    assert build_page.PAGE.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("document", [PAGE, LANDING], ids=["page", "landing"])
def test_the_page_names_nothing_to_load_from_elsewhere(document: str) -> None:
    assert not re.search(r"""(src|href)=|@import|url\((?!#)""", document)


LOADS = {"img-src": "data:", "connect-src": "'self'"}


@pytest.mark.parametrize(
    ("document", "loads"), [(PAGE, LOADS), (LANDING, {})], ids=["page", "landing"]
)
def test_the_policy_of_the_page_allows_its_one_script_and_its_one_style_and_nothing_else(
    document: str, loads: dict[str, str]
) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', document)
    (script,) = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        **loads,
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
