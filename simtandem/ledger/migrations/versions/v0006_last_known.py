"""Where each device was last put: a table that is kept up to date, filled from the runs there are.

Also: what of it outlives a pruning, and the index that the steps of the runs are read by.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0008"
branch_labels = None
depends_on = None

_PLACE = ("run_id", '"row"', "endpoint_id", "desired", "sim_status", "endpoint_status", "at")


def upgrade() -> None:
    """Create the tables and the index, and take in all runs that still have their details."""
    op.create_table(
        "last_known",
        sa.Column("carrier_host", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        *_put_columns(),
        sa.PrimaryKeyConstraint("carrier_host", "sim_id", name="pk_last_known"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "baselines",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sim_id", sa.Text(), nullable=False),
        *_put_columns(),
        sa.PrimaryKeyConstraint("run_id", "sim_id", name="pk_baselines"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_baselines_run_id_runs"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outcomes_at", "outcomes", ["at"])
    connection = op.get_bind()
    take_in = sa.text(f"{_PUT} ON CONFLICT (carrier_host, sim_id) DO UPDATE SET {_merged()}")
    for run_id, host in connection.execute(sa.text("SELECT run_id, carrier_host FROM runs")).all():
        connection.execute(take_in, {"run_id": run_id, "carrier_host": _plain(host)})


def downgrade() -> None:
    """Refuse: what pruned runs left behind would be forgotten."""
    raise NotImplementedError("a ledger is never taken back to before it knew where devices were last put")


def _plain(netloc: str) -> str:
    """A host in one spelling: lower case, without a dot at its end and without the port of its scheme."""
    spelled = netloc.strip().casefold()
    name, colon, port = spelled.rpartition(":")
    if not colon or "]" in port:
        name, port = spelled, ""
    name, port = name.rstrip("."), port.lstrip("0")
    return f"{name}:{port}" if port and port not in ("443", "80") else name


def _put_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("endpoint_id", "desired", "sim_status", "endpoint_status")),
        sa.Column("at", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("sim_run", "sim_at", "endpoint_run", "endpoint_at")),
    ]


def _merged() -> str:
    """What was sent last counts, whichever run is taken in first."""
    newer = "(excluded.at, excluded.run_id) >= (last_known.at, last_known.run_id)"
    taken = [(name, newer) for name in _PLACE]
    for half in ("sim", "endpoint"):
        new, old = f"excluded.{half}_at", f"last_known.{half}_at"
        later = f"{new} IS NOT NULL AND ({old} IS NULL OR {new} >= {old})"
        taken += [(f"{half}_run", later), (f"{half}_at", later)]
    return ", ".join(
        f"{name} = CASE WHEN {when} THEN excluded.{name} ELSE last_known.{name} END" for name, when in taken
    )


_PUT = """
    INSERT INTO last_known (carrier_host, sim_id, run_id, "row", endpoint_id, desired, sim_status, endpoint_status,
    at, sim_run, sim_at, endpoint_run, endpoint_at)
    SELECT carrier_host, sim_id, run_id, "row", endpoint_id, desired, sim_status, endpoint_status, at, sim_run,
    sim_at, endpoint_run, endpoint_at FROM (
    SELECT j.carrier_host, j.sim_id, j.run_id, j."row", j.endpoint_id, j.sim_run, j.sim_at, j.endpoint_run,
    j.endpoint_at, coalesce(j.ended_at, j.looked_at) AS at, j.there, j.touched, j.none_done, j.all_done, j.steps,
    j.as_asked,
    CASE WHEN j.there THEN j.desired WHEN j.none_done THEN j.back END AS desired,
    CASE WHEN j.there THEN j.sim_after WHEN j.none_done AND j.back IS NOT NULL THEN j.sim_before END AS sim_status,
    CASE WHEN j.there THEN j.endpoint_after WHEN j.none_done AND j.back IS NOT NULL THEN j.endpoint_before
    END AS endpoint_status
    FROM (
    SELECT w.*, w.sim_done AND w.endpoint_done AS all_done, w.sim_not_done AND w.endpoint_not_done AS none_done,
    w.as_asked OR (w.steps AND w.sim_done AND w.endpoint_done) AS there,
    CASE w.sim_before || '+' || w.endpoint_before WHEN 'Activated+Enabled' THEN 'activated'
    WHEN 'Suspended+Disabled' THEN 'suspended' WHEN 'Factory Test+Enabled' THEN 'factory_test' END AS back
    FROM (
    SELECT CAST(:carrier_host AS TEXT) AS carrier_host, p.sim_id, p.endpoint_id, p.run_id,
    p."row", p.desired, p.sim_before, p.endpoint_before,
    p.sim_after, p.endpoint_after, (p.sim_step OR p.endpoint_step) AS steps,
    coalesce(v.verdict = 'in_sync', false) AS as_asked,
    (NOT p.sim_step OR coalesce(sim.outcome IN ('applied', 'unchanged'), false)) AS sim_done,
    (NOT p.sim_step OR sim.outcome IS NULL OR sim.outcome IN ('held', 'refused', 'failed')) AS sim_not_done,
    CASE WHEN sim_ends.touched = 2 AND sim.outcome IN ('applied', 'unknown') THEN p.run_id END AS sim_run,
    CASE WHEN sim_ends.touched = 2 THEN sim_ends.at END AS sim_at,
    (NOT p.endpoint_step OR coalesce(endpoint.outcome IN ('applied', 'unchanged'), false)) AS endpoint_done,
    (NOT p.endpoint_step OR endpoint.outcome IS NULL OR endpoint.outcome IN ('held', 'refused', 'failed')) AS
    endpoint_not_done,
    CASE WHEN endpoint_ends.touched = 2 AND endpoint.outcome IN ('applied', 'unknown') THEN p.run_id END AS
    endpoint_run,
    CASE WHEN endpoint_ends.touched = 2 THEN endpoint_ends.at END AS endpoint_at,
    coalesce(sim_ends.touched > 0, false) OR coalesce(endpoint_ends.touched > 0, false) AS touched,
    CASE WHEN endpoint_ends.at IS NULL OR sim_ends.at >= endpoint_ends.at THEN sim_ends.at
    ELSE endpoint_ends.at END AS ended_at,
    coalesce((SELECT max(s.at) FROM run_states s WHERE s.run_id = p.run_id AND s.state = 'reconciling'),
    r.started_at) AS looked_at
    FROM plan_rows p
    JOIN runs r ON r.run_id = p.run_id
    LEFT JOIN (
    SELECT o."row", max(o.seq) AS newest, max(o.at) AS at,
    max(CASE WHEN o.outcome IN ('applied', 'unknown') THEN 2
    WHEN o.outcome = 'unchanged' THEN 1 ELSE 0 END) AS touched
    FROM outcomes o WHERE o.run_id = :run_id AND o.half = 'sim' GROUP BY o."row"
    ) sim_ends ON sim_ends."row" = p."row"
    LEFT JOIN outcomes sim ON sim.seq = sim_ends.newest
    LEFT JOIN (
    SELECT o."row", max(o.seq) AS newest, max(o.at) AS at,
    max(CASE WHEN o.outcome IN ('applied', 'unknown') THEN 2
    WHEN o.outcome = 'unchanged' THEN 1 ELSE 0 END) AS touched
    FROM outcomes o WHERE o.run_id = :run_id AND o.half = 'endpoint' GROUP BY o."row"
    ) endpoint_ends ON endpoint_ends."row" = p."row"
    LEFT JOIN outcomes endpoint ON endpoint.seq = endpoint_ends.newest
    LEFT JOIN verdicts v ON v.run_id = p.run_id AND v."row" = p."row"
    WHERE p.run_id = :run_id AND r.kind IN ('apply', 'retry', 'undo')
    AND p.sim_id IS NOT NULL AND p.desired IS NOT NULL AND p.action IN ('change', 'unchanged')
    ) w
    ) j
    ) x
    WHERE (x.there OR x.touched OR NOT x.none_done)
"""
