"""A carrier that refuses some endpoints for a reason of its own, in either of the ways it could."""

import json
from collections.abc import Iterable

import httpx

from tests.simtandem.carriers.emnify.rig import logged_in


class PickyCarrier:
    """Endpoints 1 to `count`, Disabled; some can't be changed, for a reason that no listing shows.

    `atomic`: one bad row stops a whole bulk call, else the good ones are changed. A row that holds its status already
    is bad as well, and counted in `needless`. The first `silent` PATCHes get no answer and change only `keeps` rows.
    `forbids` names the paths that answer 403, `misses` those that do not exist; a call of more than `most` rows is too
    large. `meanwhile` is what others do after the first PATCH.
    """

    def __init__(
        self,
        count: int,
        bad: Iterable[int] = (),
        *,
        atomic: bool = True,
        silent: int = 0,
        keeps: int = 0,
        forbids: tuple[str, ...] = (),
        forbidden_rows: tuple[int, ...] = (),
        misses: tuple[str, ...] = (),
        most: int = 2000,
    ) -> None:
        self.status: dict[int, int] = dict.fromkeys(range(1, count + 1), 1)
        self.bad, self.atomic, self.forbids = set(bad), atomic, forbids
        self._silent, self._keeps = silent, keeps
        self._misses, self._most, self._forbidden_rows = misses, most, forbidden_rows
        self.meanwhile: dict[int, int | None] = {}
        self.patches: list[list[int]] = []
        self.needless = self.reads = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            return logged_in()
        if request.method == "GET":
            self.reads += 1
            return self._show(path)
        wishes = json.loads(request.content)
        rows = wishes if isinstance(wishes, list) else [{"id": int(path.rsplit("/", 1)[1]), **wishes}]
        self.patches.append([row["id"] for row in rows])
        if any(path.endswith(each) for each in self.forbids) or {row["id"] for row in rows} & {*self._forbidden_rows}:
            return httpx.Response(403, json={"error_code": 1104, "message": "Forbidden"})
        if any(path.endswith(each) for each in self._misses):
            return httpx.Response(404, json={"message": "no Route matched with those values"})
        if len(rows) > self._most:
            return httpx.Response(413)
        return self._change({row["id"]: row["status"]["id"] for row in rows})

    def _show(self, path: str) -> httpx.Response:
        if path.endswith("/endpoint"):
            items = [{"id": number, "status": {"id": status}} for number, status in self.status.items()]
            paging = {"X-Total-Count": str(len(items)), "X-Total-Pages": "1"}
            return httpx.Response(200, json=items, headers=paging)
        number = int(path.rsplit("/", 1)[1])
        if number not in self.status:
            return httpx.Response(404, json={"error_code": 1201})
        return httpx.Response(200, json={"id": number, "status": {"id": self.status[number]}})

    def _change(self, wishes: dict[int, int]) -> httpx.Response:
        same = {number for number, wanted in wishes.items() if self.status.get(number) == wanted}
        self.needless += len(same)
        refused = same | {number for number in wishes if number in self.bad or number not in self.status}
        if self._silent:
            self._silent -= 1
            self.status.update(list(wishes.items())[: self._keeps])
            self._move()
            raise httpx.ReadTimeout("no answer")
        if not (refused and self.atomic):
            self.status.update({number: wanted for number, wanted in wishes.items() if number not in refused})
        self._move()
        return httpx.Response(422, json={"error_code": 1403, "errors": [{}]}) if refused else httpx.Response(204)

    def _move(self) -> None:
        for number, status in self.meanwhile.items():
            if status is None:
                del self.status[number]
            else:
                self.status[number] = status
        self.meanwhile = {}
