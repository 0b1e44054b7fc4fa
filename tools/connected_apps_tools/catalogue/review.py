"""The tool that reviews all apps."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from anyio.lowlevel import checkpoint
from pydantic import Field, PlainSerializer

from connected_apps_tools.api.models import ClientId, Request
from connected_apps_tools.api.pagination import ENDLESS_PAGES, AppPages, End
from connected_apps_tools.catalogue.types.app_requests import MaxBytes, MaxScanned
from connected_apps_tools.catalogue.types.app_view import MAX_TEXT, OBJECTS, ShowsApps, size_of
from connected_apps_tools.context import ToolContext
from connected_apps_tools.findings.review import SEVERITIES, Finding, Review, Severity
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

BREATH = 100
"""Apps, at some 0.15 ms each, between two pauses for other calls."""

UNTRUSTED_IN_FINDINGS = ["client_name", "fact"]

WITHOUT_FIX = PlainSerializer(lambda finding: finding.model_dump(exclude={"fix"}))
"""A finding without its fix: the result lists the fix of each code once."""

INCOMPLETE: Mapping[str, str] = {
    "deadline": "The deadline ended the review: it did not see all apps.",
    "empty_page": ENDLESS_PAGES,
    "cycle": ENDLESS_PAGES,
}
"""The note of a review that did not reach the last app, by why it stopped."""

REVIEW_FRAME_BYTES = 1_500
"""The most bytes of a result besides its findings and fixes."""


class ReviewApps(Request):
    """Which apps to review, and which findings to report."""

    min_severity: Severity = Field("info", description="Leave out what is less severe.")
    client_id: ClientId | None = Field(None, description="Report on this app only.")
    max_scanned: MaxScanned = 10_000
    max_bytes: MaxBytes = 24_000

    def wants(self, finding: Finding) -> bool:
        """Whether to report a finding."""
        severe = SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.min_severity)
        return severe and self.client_id in {None, finding.client_id}


class ReviewedApps(ShowsApps):
    """The result of review_apps."""

    findings: Annotated[list[Annotated[Finding, WITHOUT_FIX]], OBJECTS]
    fixes: dict[str, str]
    """What to do about findings, by their code."""
    counts: dict[str, int]
    """How many findings of each code there are, listed or not."""
    not_told: int
    """How many more findings there was no room for."""
    scanned: int
    total: int | None = None
    stopped: Literal[End, "max_scanned"]
    note: str | None = None


async def review_apps(context: ToolContext, request: ReviewApps) -> ReviewedApps:
    """Review all apps for what is dangerous, odd or left open.

    Returns findings, the most severe first: a code, the app and the fact; fixes says what to do
    about each code. Ask the user before you change anything: a finding may be intended.
    """
    if request.client_id:
        await context.api.get(request.client_id)  # else no finding could mean no such app
    review = Review(context.review_limits, context.policy)
    total: int | None = None
    left = False
    walk = AppPages(context.api)
    async for page in walk:
        total = page.total
        room = request.max_scanned - review.scanned
        for app in page.apps[:room]:
            review.add(app)
            if review.scanned % BREATH == 0:
                await checkpoint()
        left = len(page.apps) > room or (len(page.apps) == room and page.next_cursor is not None)
        await context.report_progress(
            review.scanned, total, f"{sum(review.counts().values())} findings"
        )
        if left:
            break
    listed, not_told = _with_room(filter(request.wants, review.findings()), request.max_bytes)
    fixes = {finding.code: finding.fix for finding in listed}
    why_off = context.server.why_off(" ".join(fixes.values()))
    return ReviewedApps(
        findings=listed,
        fixes=fixes,
        counts=review.counts(),
        not_told=not_told,
        scanned=review.scanned,
        total=total,
        stopped="max_scanned" if left else walk.ended,
        note=" ".join(filter(None, [INCOMPLETE.get(walk.ended), why_off])) or None,
        untrusted=UNTRUSTED_IN_FINDINGS if listed else None,
    )


def _with_room(findings: Iterable[Finding], max_bytes: int) -> tuple[list[Finding], int]:
    """The findings that there is room for, as they are shown, and how many more there are."""
    listed: list[Finding] = []
    fixed: set[str] = set()
    room = max_bytes - REVIEW_FRAME_BYTES
    not_told = 0
    for finding in findings:
        printed = {
            "client_id": printable(finding.client_id, MAX_TEXT),
            "client_name": printable(finding.client_name, MAX_TEXT),
        }
        shown = finding.model_copy(update=printed)
        room -= size_of(shown, exclude={"fix"} if finding.code in fixed else None)
        if room < 0:
            not_told += 1
        else:
            listed.append(shown)
            fixed.add(finding.code)
    return listed, not_told


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(review_apps, "Review apps", ReviewApps, ReviewedApps, Effect.READS, page=True),
)
