import pytest

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.catalogue.search import SearchApps

APP = ConnectedApp(
    client_id="a",
    client_name="",
    client_description="",
    client_type="third_party",
    status="active",
    redirect_urls=["https://www.B\xfccher.example:8443/cb", "https://good.example@evil.example/"],
    post_logout_redirect_urls=[],
    access_token_expiry_minutes=60,
    access_token_template_content="",
    full_access_allowed=False,
    bypass_consent_for_offline_access=False,
    creation_method="api",
)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("b\xfccher.example", True),
        ("*.B\xdcCHER.example", True),
        ("www.xn--bcher-kva.example.", True),
        ("evil.example", True),
        ("good.example", False),
        ("ucher.example", False),
    ],
)
def test_an_app_is_found_by_the_host_that_a_redirect_leads_to(host: str, found: bool) -> None:
    assert SearchApps(redirect_host=host).wants(APP) is found
