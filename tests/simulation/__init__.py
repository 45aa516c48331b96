"""Whole sessions in virtual time, under seeds: everything around the session misbehaves by dice, and checkers look at
all of what happened.

    seed -> planner -> Plan (plain data) -> runner: callers, door, fleet of workers, voices -> trace -> checkers -> Report

A seed names a run completely: the plan, the dice of whoever misbehaves while it runs, and trio's order of tasks.
`python -m tests.simulation --seeds 2000 --first 0` runs many; `python -m tests.simulation --seed 417` replays one.

Another actor is one file here that notes what it does in the trace, a part of `Plan` that `planner`
rolls, a line in `runner.simulate`, and a checker. Rules: no threads, no clock but trio's, no dice but those of the seed,
no iteration over sets.
"""
