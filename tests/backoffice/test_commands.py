import json
import subprocess
import sys

import pytest

from backoffice.commands import Report, ReportingCommand, Unusable


class Counting(ReportingCommand):
    result = Report({"count": 3}, ["3 were counted."])

    def report(self, **options):
        if options["verbosity"] == 3:
            raise Unusable("--verbosity takes less.")
        return self.result


def run(command, *arguments):
    """Run the command to its exit status, as manage.py does."""
    try:
        command.run_from_argv(["manage.py", "counting", "--skip-checks", *arguments])
    except SystemExit as end:
        return end.code
    return 0


def test_people_read_lines_and_programs_one_object(capsys):
    assert run(Counting()) == 0
    assert capsys.readouterr().out == "3 were counted.\n"
    assert run(Counting(), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"count": 3}


def test_what_needs_a_person_ends_with_1_after_the_result_was_printed(capsys, monkeypatch):
    monkeypatch.setattr(Counting, "result", Report({"count": 3}, problem="One is missing"))
    assert run(Counting(), "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"count": 3}
    assert "One is missing" in said.err


@pytest.mark.parametrize("arguments", [["--verbosity", "3"], ["--nonsense"]])
def test_unusable_arguments_end_with_2_and_print_no_result(capsys, arguments):
    assert run(Counting(), *arguments) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err


@pytest.mark.processes
@pytest.mark.parametrize(
    "name",
    [
        "add_account",
        "check_accounts",
        "replay_events",
        "import_codes",
        "import_offers",
        "push_offers",
        "sync",
        "buy_codes",
    ],
)
def test_every_command_says_what_it_takes(name, settings):
    shown = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), name, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=settings.BASE_DIR,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(settings.BASE_DIR)},
    )
    assert "--json" in shown.stdout
