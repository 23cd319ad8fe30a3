"""Whether a sale waits for a marketplace's jobs: deliveries with and without a thousand open ones, and two workers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from django.db.models import Sum
from django.utils.module_loading import import_string

from backoffice import supervisor
from marketplaces import jobs, services
from marketplaces.models import Account, Job
from orders.verify import verify
from tests.bench import bench_delivery as selling
from tests.bench.ground import HOST
from tests.bench.measuring import Fact, Goal, Line, Way, check, spread
from tests.bench.processes import answers, running
from tests.bench.suite import Benchmark, Run

SLUG = "g2a"
JOBS, SALES = 1000, 12
WORKERS = "2"
PAUSE = 0.5  # seconds from one buyer's code to the next buyer
MEDIAN, WORST = 500, 2000  # milliseconds
# What the account may ask a minute: what it is set to by itself, and the most that it can be set to.
BUDGETS = {"its usual budget, 600 a minute": 600, "the largest budget, 6,000 a minute": 6000}
NEVER = 10_000_000
WARM_UP = 3  # sales that are not counted


def run(run: Run) -> Iterator[Line]:
    wanted, sales = run.size(JOBS, 20), run.size(SALES, 3)
    with ExitStack() as household:
        market = selling._open_market(run, household)
        web = supervisor.web(HOST, run.place.web_port)
        household.enter_context(running(web, ready=lambda: answers(f"{run.place.web}/healthz")))
        household.enter_context(running(supervisor.manage("qcluster"), env={"Q_WORKERS": WORKERS}))
        selling._open_shop(run, units=sales * 4 + 50)
        shelf = selling._wait_for_offers()
        selling._come_to_rest()
        _sell(market, shelf, WARM_UP)
        without = _sell(market, shelf, sales)
        account = _open_account(run)
        _open_jobs(account, replace(market, slug=SLUG), wanted)
        for name, budget in BUDGETS.items():
            _give_budget(account, budget)
            yield _line(name, market, shelf, sales, without)
        check(Job.objects.filter(result="").count() == wanted, "the jobs did not stay open")
    books = verify()
    check(not books.problems, f"the books are wrong: {books.problems[:3]}")


def _line(name: str, market: selling.Market, shelf: list[str], sales: int, without: list[float]) -> Line:
    polls, begun = _polls(), time.monotonic()
    waits = _sell(market, shelf, sales)
    rate = (_polls() - polls) / (time.monotonic() - begun)
    open_jobs = Job.objects.filter(result="").count()
    ways = [
        Way(f"with {open_jobs:,} open jobs", len(waits) / sum(waits), spread(waits)),
        Way("without any", len(without) / sum(without), spread(without)),
    ]
    facts = [
        Fact("median in milliseconds", spread(waits)["median"], Goal(below=MEDIAN)),
        Fact("worst in milliseconds", max(waits) * 1000, Goal(below=WORST)),
        Fact("worst without open jobs", max(without) * 1000),
        Fact("jobs asked for a second, meanwhile", rate),
        Fact("sales without a code", sales - len(waits), Goal(below=1)),
    ]
    return Line(f"{sales} sales, one after the other, {name}", "deliveries", ways, facts)


def _sell(market: selling.Market, shelf: list[str], sales: int) -> list[float]:
    """Sell one after the other; returns each one's seconds from the marketplace's request to the code."""
    before, bought = selling._handed_over(), set()
    for number in range(sales):
        bought.add(market.buy(shelf[number % len(shelf)]))
        selling._wait_for_deliveries(before + number + 1)
        time.sleep(PAUSE)
    return selling._waits(market.tell("GET", "state"), bought)


def _polls() -> int:
    return int(Job.objects.aggregate(polls=Sum("polls"))["polls"] or 0)


# --- the other marketplace -------------------------------------------------------------------------------------


def _open_account(run: Run) -> Account:
    return Account.objects.create(
        name="Other shop",
        marketplace=SLUG,
        base_url=f"{run.place.sandbox}/{SLUG}",
        is_sandbox=True,
        credentials=dict(services.get_service(SLUG).sandbox_credentials),
        options={"requests_per_minute": selling.UNTHROTTLED * 60},
    )


def _open_jobs(account: Account, market: selling.Market, wanted: int) -> None:
    """Let the marketplace begin so many changes of one offer and never end them, and follow each."""
    market.tell("POST", "options", job_polls=NEVER, job_seconds=NEVER, patch_answer="job", queue_limit=NEVER)
    (content,) = import_string(f"{services.__name__}.{SLUG}.demo.offers")(1)
    service = account.service(is_patient=True)
    service.create_offer(content)
    offer_id = next(offer.external_id for offer in service.fetch_offers())
    for _ in range(wanted):
        changed = service.update_offer(offer_id, content, frozenset({"price"}))
        jobs.start(account, changed.job_id, purpose="a change that takes for ever")


def _give_budget(account: Account, per_minute: int) -> None:
    account.options = {"requests_per_minute": per_minute}
    account.save(update_fields=["options"])


BENCHMARK = Benchmark(
    what="sales at one marketplace while another's jobs are followed; real processes: sandboxes, web, two workers",
    limit="the same sales without an open job",
    must_reach=f"median under {MEDIAN} ms and none over {WORST} ms",
    run=run,
)
