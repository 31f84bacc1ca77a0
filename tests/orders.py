"""Single environments that go through one order together, as the N of a vector environment do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def in_one_order(kind: type[Any], core: Any, count: int) -> list[Callable[[], Any]]:
    """What makes `count` environments of a kind on one core; the order that one of them begins is that of all."""
    shared: list[Any] = []

    class InOneOrder(kind):  # type: ignore[misc]
        @property
        def _order(self) -> Any:
            return shared[-1] if shared else None

        @_order.setter
        def _order(self, order: Any) -> None:
            if order is not None:
                shared.append(order)

    return [lambda: InOneOrder(core)] * count
