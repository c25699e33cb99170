"""The paths of both of Aeris's platforms. At them, some calls that read are POSTs: the ids stand in their body."""

AERADMIN_ROOT = "/AerAdmin_WS_5_0/"
AERADMIN_DETAILS = AERADMIN_ROOT + "rest/devices/details"

STATE_CHANGES = "/iot/api/sica/subscriptions/requests/state-changes"
SUBSCRIPTION_DETAILS = "/iot/api/subscriptions/details"
CHANGE_HISTORY = "/iot/api/subscriptions/changes/requests"
REQUESTS = "/dcpapi/rest/subscriptionManagement/v1/subscriptions/requests"

READING_POSTS = frozenset({AERADMIN_DETAILS, SUBSCRIPTION_DETAILS, CHANGE_HISTORY, f"{REQUESTS}/find"})
"""Paths of POSTs that change nothing."""
