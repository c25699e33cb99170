"""The steps of a run, from a file to a report, each a function of a `Run`. What flows and the command line call."""
