"""The tool that looks after apps."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from anyio.lowlevel import checkpoint
from pydantic import Field, PlainSerializer

from connected_apps_tools.api.models import WHOLE, ClientId, Request
from connected_apps_tools.api.pagination import ENDLESS, AppPages, End
from connected_apps_tools.context import ToolContext
from connected_apps_tools.findings.review import SEVERITIES, Finding, Review, Severity
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

from .app_view import MAX_TEXT, OBJECTS, ShowsApps, size_of

BREATH = 100
"""Apps, at some 0.15 ms each, after which other calls get their turn."""

UNTRUSTED_IN_FINDINGS = ["client_name", "fact"]

WITHOUT_FIX = PlainSerializer(lambda finding: finding.model_dump(exclude={"fix"}))
"""The fix of a code is told once."""

INCOMPLETE: Mapping[str, str] = {
    "deadline": "The deadline ended the review: there are apps that it did not see.",
    "empty_page": ENDLESS,
    "cycle": ENDLESS,
}
"""What an answer says of a walk that did not end with the last app."""

REVIEW_FRAME_BYTES = 1_500
"""What an answer takes besides its findings and fixes, at the most."""


class ReviewApps(Request):
    """How much to look at, and what to tell."""

    min_severity: Severity = Field("info", description="Leave out what is less severe.")
    client_id: ClientId | None = Field(None, description="Tell of this app only.")
    max_scanned: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] = 10_000
    max_bytes: Annotated[int, Field(ge=4_000, le=300_000), WHOLE] = 24_000

    def wants(self, finding: Finding) -> bool:
        """Whether a finding is to be told."""
        severe = SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.min_severity)
        return severe and self.client_id in {None, finding.client_id}


class ReviewedApps(ShowsApps):
    """The answer of review_apps."""

    findings: Annotated[list[Annotated[Finding, WITHOUT_FIX]], OBJECTS]
    fixes: dict[str, str]
    """What to do, by the code of a finding."""
    counts: dict[str, int]
    """How many findings of each code there are, told or not."""
    not_told: int
    """How many more findings would have been told if there were room."""
    scanned: int
    total: int | None = None
    stopped: Literal[End, "max_scanned"]
    note: str | None = None


async def review_apps(context: ToolContext, request: ReviewApps) -> ReviewedApps:
    """Look through all apps for what is dangerous, odd or left open.

    Answers with findings, the most severe first: a code, the app and the fact; fixes says what to
    do about each code. Tell the user before you change anything: a finding may be intended.
    """
    if request.client_id:
        await context.api.get(request.client_id)  # else no finding could mean no such app
    review = Review(context.review_limits, context.policy)
    total: int | None = None
    left = False
    walk = AppPages(context.api)
    async for page in walk:
        total = page.total
        room = request.max_scanned - review.seen
        for app in page.apps[:room]:
            review.see(app)
            if review.seen % BREATH == 0:
                await checkpoint()
        left = len(page.apps) > room or (len(page.apps) == room and page.next_cursor is not None)
        await context.report_progress(
            review.seen, total, f"{sum(review.counts().values())} findings"
        )
        if left:
            break
    told, not_told = _that_fit(filter(request.wants, review.findings()), request.max_bytes)
    fixes = {finding.code: finding.fix for finding in told}
    why_off = context.server.why_off(" ".join(fixes.values()))
    return ReviewedApps(
        findings=told,
        fixes=fixes,
        counts=review.counts(),
        not_told=not_told,
        scanned=review.seen,
        total=total,
        stopped="max_scanned" if left else walk.ended,
        note=" ".join(filter(None, [INCOMPLETE.get(walk.ended), why_off])) or None,
        untrusted=UNTRUSTED_IN_FINDINGS if told else None,
    )


def _that_fit(findings: Iterable[Finding], max_bytes: int) -> tuple[list[Finding], int]:
    """The findings for which there is room, as they are shown, and how many more there are."""
    told: list[Finding] = []
    fixed: set[str] = set()
    room = max_bytes - REVIEW_FRAME_BYTES
    not_told = 0
    for finding in findings:
        cleaned = {
            "client_id": printable(finding.client_id, MAX_TEXT),
            "client_name": printable(finding.client_name, MAX_TEXT),
        }
        shown = finding.model_copy(update=cleaned)
        room -= size_of(shown, exclude={"fix"} if finding.code in fixed else None)
        if room < 0:
            not_told += 1
        else:
            told.append(shown)
            fixed.add(finding.code)
    return told, not_told


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(review_apps, "Review apps", ReviewApps, ReviewedApps, Effect.READS),
)
