"""docs/reference/audit.md lists the fields of the audit log."""

import json
import re

from connected_apps_mcp.audit import chain, records
from connected_apps_mcp.callers import Caller
from generator.places import DOCS

CALL = records.RecordedCall(
    tool="delete_app",
    arguments={},
    project_id="project-test-1",
    caller=Caller(user="ops"),
    software=records.Software("client"),
    answer="accept",
)
OUTCOME = records.Outcome("NoAnswer", may_have_taken_effect=True, request_id="1", revealed="secret")

LINES = [
    records.intent("1", CALL),
    records.refusal("1", CALL, "a rule"),
    records.refusals({"delete_app": 2}),
    records.outcome("1", "delete_app", OUTCOME, 1),
    chain.opened(1, chain.ChainLink()),
    chain.torn(b"{"),
]


def test_every_field_of_a_line_is_documented() -> None:
    text = (DOCS / "reference" / "audit.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    documented = {field for row in rows for field in re.findall(r"`(\w+)`", row)}
    _, lines = chain.ChainLink().extend_together(b"key", LINES)
    written = {field for line in lines.splitlines() for field in json.loads(line)}
    assert "may_have_taken_effect" in written
    assert written <= documented
