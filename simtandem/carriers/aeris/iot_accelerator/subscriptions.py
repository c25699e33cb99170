"""Reading subscriptions: by ids, many of a kind in a call, or a whole company by cursor."""

from collections.abc import Iterable, Mapping, Sequence

from simtandem.carriers.aeris.iot_accelerator.client import IotAcceleratorClient
from simtandem.carriers.aeris.iot_accelerator.response_mapping import Subscription, SubscriptionsAnswer
from simtandem.carriers.aeris.paced import persist, same_sim
from simtandem.carriers.http_call import Kind
from simtandem.errors import CarrierRefused

KINDS = {"iccid": "ICC", "imsi": "IMSI", "msisdn": "MSISDN"}
"""The platform's words for the kinds of ids it reads a subscription by."""
AT_ONCE = 1000
"""Ids in a call. 10,000 stood in an old version; the present one states no limit."""
_MOST_PAGES = 10_000


class SubscriptionReader:
    """Reads with this client."""

    def __init__(self, client: IotAcceleratorClient) -> None:
        self._client = client
        self.refused: dict[str, str] = {}
        """Why the platform would not show an id when it was read last."""

    async def by_iccid(self, iccids: Sequence[str], *, purpose: str = "read") -> dict[str, Subscription]:
        """The subscriptions of these ICCIDs, by the ICCID as it was asked for; those not there are missing."""
        found: dict[str, Subscription] = {}
        wanted = list(dict.fromkeys(iccids))
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            found.update(_matched(some, await self._read("ICC", some, purpose)))
        return found

    async def by_other_id(self, kind: str, idents: Sequence[str]) -> dict[str, Subscription]:
        """The subscriptions of ids of another of `KINDS`, by the id; those not there, or not one, are missing."""
        found: dict[str, Subscription] = {}
        wanted = list(dict.fromkeys(idents))
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            told: dict[str, list[Subscription]] = {each: [] for each in some}
            for one in await self._read(KINDS[kind], some, "read"):
                told.get(getattr(one, kind), []).append(one)
            found.update(self._one_each(kind, told))
        return found

    def _one_each(self, kind: str, told: Mapping[str, Sequence[Subscription]]) -> dict[str, Subscription]:
        for ident, several in told.items():
            if len({one.iccid for one in several}) > 1:
                self.refused[ident] = f"the carrier shows several SIMs for this {kind}; name the SIM by its ICCID"
            elif several and not several[0].iccid:
                self.refused[ident] = f"the carrier shows no ICCID for this {kind}, so it can't be changed by that"
        return {ident: several[0] for ident, several in told.items() if several and ident not in self.refused}

    async def company(self, name: str) -> tuple[list[Subscription], bool]:
        """All subscriptions of a company, and whether the list came to its end."""
        found: dict[str, Subscription] = {}
        cursor, seen = "", {""}
        for _ in range(_MOST_PAGES):
            answer = await persist(lambda attempt, at=cursor: self._client.page(name, at, attempt=attempt))  # type: ignore[misc]
            if answer.reply.kind is Kind.REFUSED:
                raise CarrierRefused(
                    f"The subscriptions of {name} can't be listed: {answer.reply.sentence}.", "listing"
                )
            found.update({each.iccid or each.imsi: each for each in answer.subscriptions})
            cursor = answer.cursor
            if not cursor:
                return list(found.values()), True
            if cursor in seen:  # a list that leads back to itself has no end
                return list(found.values()), False
            seen.add(cursor)
        return list(found.values()), False

    async def _read(self, kind: str, idents: Sequence[str], purpose: str) -> list[Subscription]:
        """Where a call of many is refused, it is asked in halves: one id must not hide the others."""
        answer: SubscriptionsAnswer = await persist(
            lambda attempt: self._client.details(kind, idents, purpose=purpose, attempt=attempt)
        )
        if answer.reply.kind is Kind.OK:
            for ident in idents:
                self.refused.pop(ident, None)
            return list(answer.subscriptions)
        if len(idents) == 1:
            if answer.reply.status != 404:
                self.refused[idents[0]] = answer.reply.sentence
            return []
        middle = len(idents) // 2
        return [*await self._read(kind, idents[:middle], purpose), *await self._read(kind, idents[middle:], purpose)]


def _matched(asked: Iterable[str], found: Sequence[Subscription]) -> dict[str, Subscription]:
    exact = {each.iccid: each for each in found}
    short = {each.iccid[:19]: each for each in found}
    matched = ((iccid, exact.get(iccid) or short.get(iccid[:19])) for iccid in asked)
    return {iccid: one for iccid, one in matched if one is not None and same_sim(iccid, one.iccid)}
