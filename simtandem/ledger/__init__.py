"""The durable record of what happened: runs, plans, calls, answers, outcomes, verdicts. The only place that knows SQL.

Facts are added, never changed and never removed.
"""
