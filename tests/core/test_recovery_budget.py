"""The sum of what happens between a worker's freeze and words that flow again."""

from voicetrio.core.recovery_budget import RecoveryBudget


def test_a_local_worker_is_noticed_killed_started_again_and_loaded():
    budget = RecoveryBudget(health_interval=1.0, health_timeout=5.0, restart_delay=2.0, restart_budget=4.0)
    assert budget.notice == 6.0
    assert budget.outage == 6.0 + 2.0 + 4.0 + 1.0
    assert budget.needs == 8.0, "a session begins to look for a worker 5 s after the freeze"


def test_elsewhere_there_is_nothing_to_start():
    budget = RecoveryBudget(health_interval=1.0, health_timeout=5.0, restart_delay=0.0, restart_budget=0.0)
    assert (budget.outage, budget.needs) == (7.0, 2.0)
