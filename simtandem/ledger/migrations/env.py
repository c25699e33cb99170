"""What Alembic runs to bring a ledger up to date, on the connection and in the transaction it is handed.

To add a revision: write `versions/vNNNN_what.py` by hand after the model of the last one, change `tables.py` alike (a
test compares the two), and set `tables.REVISION`. Import nothing of `simtandem` there: a revision must not change when
the code does. A column that is added to a table of facts must be nullable, without a default, and empty in the rows
there are: those are hash-chained, and only a null leaves their hashes as they were. A new table of facts gets its line
in `facts.py`.
"""

from alembic import context

from simtandem.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
