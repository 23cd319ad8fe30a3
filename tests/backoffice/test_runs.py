"""Runs: each row once, in the open, whoever dies on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

from backoffice import runs
from backoffice.models import Run, RunItem
from tests.drain import drain

State = RunItem.State
SLOW, BAD, KEPT = "slow", "bad", "kept"


@pytest.fixture(autouse=True)
def no_groups(db):
    """The rows of these runs are groups, so those of the roles must not be among them."""
    Group.objects.all().delete()


class Rename(runs.Kind):
    """Put a word behind a group's name; some wait, one breaks, some say so already."""

    title = "Rename"
    model = Group
    permission = "auth.change_group"

    def preview(self, rows, said):
        return runs.Preview(changed=rows.count())

    def apply(self, rows, said, by):
        outcomes = {}
        for group in rows.order_by("pk"):
            if group.name.startswith(BAD):
                raise RuntimeError("a secret in a message")
            if group.name.startswith(KEPT):
                outcomes[str(group.pk)] = runs.unchanged()
                continue
            group.name += said["word"]
            group.save(update_fields=["name"])
            outcomes[str(group.pk)] = runs.waiting() if group.name.startswith(SLOW) else runs.done("renamed")
        return outcomes

    def outcomes(self, rows):
        return {str(group.pk): runs.done("in the end") for group in rows if group.name.endswith("ready")}


def begin(*names, token="t1", rows=None):
    Group.objects.bulk_create([Group(name=name) for name in names])
    user, _ = User.objects.get_or_create(username="boss", is_staff=True)
    chosen = Group.objects.all() if rows is None else rows
    return runs.start(Rename(), rows=chosen, said={"word": "!"}, by=user, token=token)


def found(run):
    return {state: rows for state, rows in runs.tally(run).items() if rows}


@pytest.mark.smoke
def test_each_row_is_done_once_and_the_run_ends(db):
    run = begin(*(f"g{number}" for number in range(1200)))
    drain()

    run.refresh_from_db()
    assert (run.total, found(run), run.ended_at is not None) == (1200, {"done": 1200}, True)
    assert not Group.objects.exclude(name__regex=r"^g\d+!$").exists()


@pytest.mark.smoke
def test_the_same_form_sent_twice_makes_one_run(db):
    first, second = begin("a"), begin()

    assert first.pk == second.pk
    drain()
    assert Group.objects.get().name == "a!"


def test_rows_are_those_that_were_chosen_when_it_began(db):
    run = begin("a", rows=Group.objects.filter(name="a"))
    Group.objects.create(name="b")
    drain()

    assert (found(run), set(Group.objects.values_list("name", flat=True))) == ({"done": 1}, {"a!", "b"})


def test_one_bad_row_stops_no_other_and_its_reason_holds_no_secret(db):
    run = begin("a", f"{BAD} one", "b", f"{KEPT} one")
    Group.objects.filter(name="b").delete()
    drain()

    assert found(run) == {"done": 1, "failed": 2, "unchanged": 1}
    texts = set(RunItem.objects.filter(state=State.FAILED).values_list("text", flat=True))
    assert texts == {"It is gone.", "Something unforeseen went wrong; see the log."}


def test_a_row_that_waits_is_looked_after_until_it_is_done(db):
    run = begin(SLOW)
    runs.step(run.pk)
    runs.step(run.pk)
    run.refresh_from_db()
    assert (found(run), run.ended_at) == ({"waiting": 1}, None)
    assert OrmQ.objects.filter(lock__gt=timezone.now()).exists()

    Group.objects.update(name="ready")
    runs.step(run.pk)

    run.refresh_from_db()
    assert (found(run), run.ended_at is not None) == ({"done": 1}, True)


def test_a_run_that_is_stopped_does_no_further_row_and_says_who_stopped_it(db, monkeypatch):
    monkeypatch.setattr(Rename, "at_once", 2)
    run = begin("a", "b", "c", "d", "e")
    runs.step(run.pk)

    assert runs.cancel(run, by="boss")
    assert not runs.cancel(run, by="another")
    drain()

    run.refresh_from_db()
    assert (found(run), run.cancelled_by) == ({"done": 2, "cancelled": 3}, "boss")
    assert run.ended_at is not None


def test_what_failed_is_tried_once_more_and_nothing_else(db):
    run = begin("a", f"{BAD} one")
    drain()
    Group.objects.filter(name__startswith=BAD).update(name="good")

    assert runs.retry(run) == 1
    drain()

    assert found(run) == {"done": 2}
    assert set(Group.objects.values_list("name", flat=True)) == {"a!", "good!"}


def test_a_worker_that_dies_between_a_row_and_its_record_undoes_the_row(db, monkeypatch):
    run = begin("a")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_record", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            runs.step(run.pk)
    assert Group.objects.get().name == "a"

    drain()

    assert Group.objects.get().name == "a!"


def test_the_sweep_wakes_runs_that_lost_their_wake_up(db):
    run = begin("a")
    OrmQ.objects.all().delete()
    assert runs.sweep() == 0

    Run.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert runs.sweep() == 1
    drain()

    assert found(run) == {"done": 1}


def test_who_started_it_is_told_once(db, client):
    run = begin("a", f"{BAD} one")
    drain()
    client.force_login(run.by)

    first = client.get("/admin/", headers={"accept": "text/html"}).content.decode()
    second = client.get("/admin/", headers={"accept": "text/html"}).content.decode()

    assert "“Rename” has ended: 1 of 2 groups done, 1 failed." in first
    assert "has ended" not in second


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_many_workers_at_one_run_do_no_row_twice(monkeypatch):
    monkeypatch.setattr(Rename, "at_once", 7)
    run = begin(*(f"g{number}" for number in range(100)))

    def work(_):
        try:
            for _ in range(10):
                runs.step(run.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert found(run) == {"done": 100}
    assert not Group.objects.exclude(name__regex=r"^g\d+!$").exists()
