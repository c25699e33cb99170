"""The paths of emnify that calls and records of calls have in common."""

SIM = "/api/v1/sim"
ENDPOINT = "/api/v1/endpoint"
BULK = "/api/v2/endpoint/multi"
"""Many endpoints in one PATCH."""
