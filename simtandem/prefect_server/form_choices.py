"""What a form offers, made from the settings when a deployment is made: the accounts there are, and their statuses.

An empty choice of an account stays: it stands for the one that the worker's settings choose.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from schemas.accounts import DEFAULT
from schemas.parameters import Wish
from simtandem.carriers.registry import ADAPTERS, lifecycle_of


def with_accounts(schema: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A deployment's parameter schema in which every field `account` offers these names."""
    offered = deepcopy(schema)
    if list(names) != [DEFAULT]:
        for properties in _properties(offered):
            if "account" in properties:
                properties["account"]["enum"] = ["", *names]
    return offered


def with_goals(schema: dict[str, Any], carriers: Mapping[str, str]) -> dict[str, Any]:
    """A deployment's parameter schema in which every field `to` offers what these carriers have, and says who has what.

    `carriers` has each account's. One that is unknown may have anything.
    """
    offered = deepcopy(schema)
    goals = {goal.word for carrier in carriers.values() for goal in lifecycle_of(carrier).goals}
    wishes = offered.get("definitions", {}).get("Wish")
    if wishes and carriers and set(carriers.values()) <= ADAPTERS.keys():
        wishes["enum"] = [each.value for each in Wish if each is Wish.AS_IN_FILE or each.value in goals]
    for properties in _properties(offered):
        if "to" in properties:
            properties["to"]["description"] = " ".join([properties["to"]["description"], *_whose(carriers)])
    return offered


def _whose(carriers: Mapping[str, str]) -> list[str]:
    """What each carrier calls the statuses that can be asked for, where a form serves more than emnify."""
    told = []
    for carrier in dict.fromkeys(carriers.values()):
        accounts = ", ".join(name for name, its in carriers.items() if its == carrier)
        goals = ", ".join(f"{goal.word} ({goal.sim})" for goal in lifecycle_of(carrier).goals)
        if goals:
            told.append(f"{accounts} at {carrier}: {goals}.")
    return told if set(carriers.values()) != {lifecycle_of("emnify").carrier} else []


def _properties(schema: dict[str, Any]) -> list[dict[str, Any]]:
    models = [schema, *schema.get("definitions", {}).values(), *schema.get("$defs", {}).values()]
    return [model["properties"] for model in models if isinstance(model.get("properties"), dict)]
