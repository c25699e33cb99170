"""What simtandem depends on: the pins, their licences, and what is known against them. Never installed."""
