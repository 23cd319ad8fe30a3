"""Follow what a marketplace goes on with after its answer, at a pace that costs little and blocks no worker."""

from datetime import timedelta

from django.utils import timezone

from marketplaces import outgoing
from marketplaces.models import Account, Job
from marketplaces.outgoing import Again
from marketplaces.signals import job_ended
from marketplaces.types import JobState, RemoteJob, Urgency

# Quick at first, then slowly; after that it is stuck, which is not failed, and still watched.
QUICK, SLOW, STUCK = timedelta(seconds=2), timedelta(seconds=30), timedelta(minutes=10)
QUICK_POLLS, SLOW_FOR = 30, timedelta(minutes=15)

ENDS = {
    JobState.DONE: Job.Result.DONE,
    JobState.FAILED: Job.Result.FAILED,
    JobState.CANCELLED: Job.Result.CANCELLED,
}


def start(account: Account, external_id: str, *, purpose: str) -> Job:
    """Begin to follow a job; joins the caller's transaction. Safe to repeat: one row a job."""
    job, is_new = Job.objects.get_or_create(
        account=account,
        external_id=external_id,
        defaults={"purpose": purpose, "state": Job.State.DUE, "next_try_at": timezone.now() + QUICK},
    )
    if is_new:
        outgoing.wake(job)
    return job


def follow(pk: int) -> bool:
    """Look once how far a job is; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Job, pk, _look)


def _look(job: Job) -> Again | None:
    service = job.account.service()
    service.plan(1, Urgency.STOCK)
    remote = service.fetch_job(job.external_id)
    job.polls += 1
    job.status_word = remote.status_word[:60]
    job.save(update_fields=["polls", "status_word"])
    if remote.state in ENDS:
        _end(job, remote)
        return None
    pause = _pause(job)
    if pause == STUCK and not job.is_stuck:
        job.is_stuck = True
        job.save(update_fields=["is_stuck"])
    return Again(timezone.now() + pause, "It takes longer than any job should." if job.is_stuck else "")


def _pause(job: Job) -> timedelta:
    if job.polls < QUICK_POLLS:
        return QUICK
    return SLOW if timezone.now() - job.started_at < SLOW_FOR else STUCK


def _end(job: Job, remote: RemoteJob) -> None:
    job.result = ENDS[remote.state]
    job.resource_id = remote.resource_id
    job.reason = (remote.reason or remote.warning)[:500]
    job.is_stuck = False
    job.ended_at = timezone.now()
    job.save(update_fields=["result", "resource_id", "reason", "is_stuck", "ended_at"])
    job_ended.send(sender=Job, job=job)
