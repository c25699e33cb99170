"""Who a SIM belongs to: the organisations that a carrier's account is divided into, and the words for them in files."""

from enum import StrEnum


class OwnerField(StrEnum):
    """The three organisations of a SIM. The values are the names of the columns that ask for another one."""

    CUSTOMER = "customer_org_id"  # whose device it is in
    RESELLER = "reseller_org_id"  # who sells it on
    ISSUER = "issuer_org_id"  # who issued it, and may change everything about it


NOBODY = "none"
"""In place of an organisation's id: there is none, or there is to be none."""

CLEARABLE = (OwnerField.CUSTOMER, OwnerField.RESELLER)
"""A SIM always has an issuer."""
