"""Bodies of the service's responses."""

from typing import Any

APP: dict[str, Any] = {
    "client_id": "app",
    "client_name": "",
    "client_description": "",
    "client_type": "first_party",
    "status": "active",
    "redirect_urls": [],
    "post_logout_redirect_urls": [],
    "access_token_expiry_minutes": 60,
    "access_token_template_content": "",
    "full_access_allowed": False,
    "bypass_consent_for_offline_access": False,
    "creation_method": "api",
}
ENVELOPE: dict[str, Any] = {"status_code": 200, "request_id": "request-id-test-1"}
FOUND = {**ENVELOPE, "connected_app": APP}
