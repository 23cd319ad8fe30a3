"""Jobs of the make-believe G2A (G2A-13): an accepted change comes true after some polls, or after some time, unless
it was ordered to go wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.g2a.sandbox_tokens import account_hash

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

OPEN = ("pending", "processing")
QUEUE_FULL = "The limit of tasks in the queue has been exceeded"
# How a job ends, by the trouble that was ordered for it.
FATES: Mapping[str, str] = {
    "job_failed": "failed",
    "job_element_failed": "completed",
    "job_cancelled": "cancelled",
    "job_stuck": "",
}


@dataclass
class Job:
    id: str
    account: str
    op: str
    resource_id: str
    created_at: int
    on_done: Callable[[], None]
    on_failure: Callable[[], None]
    fate: str = ""
    status: str = "pending"
    code: str | None = None
    message: str | None = None
    polls: list[int] = field(default_factory=list)  # when it was asked for, in milliseconds
    ended_at: int | None = None

    @property
    def has_result(self) -> bool:
        return self.status == "completed" and self.code is None

    def shown(self) -> Json:
        return {
            "jobId": self.id,
            "account": self.account,
            "op": self.op,
            "resource_id": self.resource_id,
            "status": self.status,
            "fate": self.fate,
            "code": self.code,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "polls": list(self.polls),
        }


class Jobs:
    """Every account's jobs. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all: dict[str, Job] = {}

    def check_queue(self, account: str) -> None:
        """Refuse when the account has as many open jobs as it may."""
        waiting = sum(job.account == account and job.status in OPEN for job in self.all.values())
        if waiting >= self._sandbox.options["queue_limit"]:
            raise Refusal(400, "", QUEUE_FULL)

    def start(
        self,
        account: str,
        op: str,
        resource_id: str,
        on_done: Callable[[], None],
        on_failure: Callable[[], None] = lambda: None,
    ) -> Job:
        fault = self._sandbox.faults.take(op, FATES.keys())
        job = Job(
            id=self._sandbox.new_id(),
            account=account,
            op=op,
            resource_id=resource_id,
            created_at=self._sandbox.clock.ms(),
            on_done=on_done,
            on_failure=on_failure,
            fate=fault.mode if fault else "",
        )
        self.all[job.id] = job
        self._sandbox.after(self._sandbox.options["job_seconds"], lambda: self._end(job))
        return job

    # --- operations ------------------------------------------------------------------------------------------

    @operation("G2A-13", "GET", "/integration-api/v1/jobs/{job_id}")
    def get(self, request: Request, job_id: str) -> Json:
        job = self._poll(request, job_id)
        return {"jobId": job.id, **self._result(job), "status": job.status, "code": job.code, "message": job.message}

    @operation("G2A-13", "GET", "/v3/jobs/{job_id}")
    def get_live(self, request: Request, job_id: str) -> Json:
        job = self._poll(request, job_id)
        if job.status in OPEN:
            return {"data": {"jobId": job.id, "status": job.status, "elements": []}}
        word = "completed" if job.has_result else "failed"
        result = {"resourceId": None, "resourceType": "offer", **self._result(job)}
        element = {**result, "status": word, "code": job.code, "message": job.message}
        status = "complete" if job.status == "completed" else job.status
        return {"data": {"jobId": job.id, "status": status, "elements": [element]}}

    def _poll(self, request: Request, job_id: str) -> Job:
        job = self.all.get(job_id)
        if job is None or job.account != account_hash(request.seller):
            raise Refusal(404, "", "There is no such job")
        job.polls.append(self._sandbox.clock.ms())
        if job.status in OPEN and len(job.polls) > self._sandbox.options["job_polls"]:
            self._end(job)
        elif job.status == "pending" and len(job.polls) > 1:
            job.status = "processing"
        return job

    def _result(self, job: Job) -> Json:
        return {"resourceId": job.resource_id, "resourceType": "offer"} if job.has_result else {}

    def _end(self, job: Job) -> None:
        with self._sandbox.lock:
            if job.status not in OPEN or job.fate == "job_stuck":
                return
            job.status, job.ended_at = FATES.get(job.fate, "completed"), self._sandbox.clock.ms()
            if not job.fate:
                job.on_done()
                return
            job.code, job.message = "E100", "This change was ordered to go wrong"
            job.on_failure()
