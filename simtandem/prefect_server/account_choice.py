"""The form's field for an account: a list to choose from, made from the settings file when a deployment is made. Pure.

An empty choice stays: it stands for the account that the worker's settings choose.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from schemas.accounts import DEFAULT


def with_accounts(schema: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A deployment's parameter schema in which every field `account` offers these names."""
    offered = deepcopy(schema)
    if list(names) != [DEFAULT]:
        for properties in _properties(offered):
            if "account" in properties:
                properties["account"]["enum"] = ["", *names]
    return offered


def _properties(schema: dict[str, Any]) -> list[dict[str, Any]]:
    models = [schema, *schema.get("definitions", {}).values(), *schema.get("$defs", {}).values()]
    return [model["properties"] for model in models if isinstance(model.get("properties"), dict)]
