"""Finds where an app breaks the operator's policy."""

from collections import defaultdict
from collections.abc import Iterator

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.safety.policy import Policy

from .finding import Rule, Severity


def _rule(key: str, severity: Severity, fix: str) -> tuple[str, Rule]:
    return key, Rule(f"policy-{key.replace('_', '-')}", severity, fix)


_REMOVE = "Remove the URL with update_app, or ask the operator to allow it in the policy."

BREACH_RULES: dict[str, Rule] = dict(
    [
        _rule("redirect_hosts", "high", _REMOVE),
        _rule("redirect_schemes", "high", _REMOVE),
        _rule("allow_full_access", "high", "Turn full_access_allowed off with update_app."),
        _rule(
            "allow_consent_bypass",
            "high",
            "Turn bypass_consent_for_offline_access off with update_app.",
        ),
        _rule(
            "max_access_token_expiry_minutes",
            "medium",
            "Lower access_token_expiry_minutes with update_app.",
        ),
        _rule(
            "client_types",
            "low",
            "The type cannot be changed. Move the users to an app of another type, then use "
            "delete_app; or leave the app, since the rule is for new apps.",
        ),
    ]
)
"""The rule of a finding, by the key of the policy."""


def policy_breaches(policy: Policy, app: ConnectedApp) -> Iterator[tuple[Rule, list[str]]]:
    """The broken rules, each with its facts."""
    facts = defaultdict[str, list[str]](list)
    for breach in policy.breaches(app):
        facts[breach.rule].append(f"It breaks the {breach}.")
    for key, sentences in facts.items():
        yield BREACH_RULES[key], sentences
