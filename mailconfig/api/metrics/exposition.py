"""The dashboard's figures in the format of Prometheus, by a registry of their own that is read anew at each scrape.

No series is named for an account but those of the worst and the busiest, twenty at most: each account would be several
series in the memory of Prometheus, and ten thousand accounts are too many. Of names and addresses none is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mailconfig.delivery import Dashboard
from mailconfig.models import PAUSES

OUTCOMES = ("sent", "put_off", "failed")
STATES = ("queued", "handing_over", "held", "preparing")


def exposition(figures: Dashboard) -> bytes:
    """Return the figures as text."""
    registry = CollectorRegistry()
    registry.register(_Figures(figures))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Figures(Collector):
    figures: Dashboard

    def collect(self) -> Iterator[Metric]:
        yield self._mails()
        yield self._by_account()
        yield self._waiting()
        yield self._paused()
        figures = self.figures
        due = figures.waiting.oldest_due_at
        singles = {
            "oldest_due_seconds": (
                "Age of the oldest mail that is due.",
                (figures.at - due).total_seconds() if due else 0,
            ),
            "workers": ("Workers that gave a sign of life.", len(figures.workers)),
            "worker_mails_per_minute": (
                "Mails whose outcome came in the last minute.",
                sum(worker.mails_a_minute for worker in figures.workers),
            ),
            "failing_steps": ("Steps of the house-keeping that throw.", len(figures.failing_steps)),
            "last_sweep_timestamp_seconds": (
                "When a worker or beat looked for due mail last; 0: never.",
                figures.swept_at.timestamp() if figures.swept_at else 0,
            ),
            "counted_until_timestamp_seconds": (
                "Up to when mails are counted; 0: not at all yet.",
                figures.counted_until.timestamp() if figures.counted_until else 0,
            ),
        }
        for name, (words, value) in singles.items():
            yield GaugeMetricFamily(f"mailconfig_{name}", words, value=value)

    def _mails(self) -> Metric:
        words = (
            "Hand-overs that were accepted or put off, and mails that failed for good, since counting began."
        )
        family = CounterMetricFamily("mailconfig_mails", words, labels=["outcome"])
        for outcome in OUTCOMES:
            family.add_metric([outcome], getattr(self.figures.totals, outcome, 0))
        return family

    def _by_account(self) -> Metric:
        words = "The same in the last 24 hours, of the worst and the busiest accounts only."
        family = GaugeMetricFamily("mailconfig_account_mails_last_day", words, labels=["account", "outcome"])
        named = {one.account.pk: one for one in (*self.figures.worst, *self.figures.busiest)}
        for pk, one in sorted(named.items()):
            for outcome in OUTCOMES:
                family.add_metric([str(pk), outcome], getattr(one, outcome))
        return family

    def _waiting(self) -> Metric:
        family = GaugeMetricFamily("mailconfig_mails_waiting", "Mails that wait.", labels=["state"])
        for state in STATES:
            family.add_metric([state], getattr(self.figures.waiting, state))
        return family

    def _paused(self) -> Metric:
        words = "Accounts that send nothing until somebody acts."
        family = GaugeMetricFamily("mailconfig_accounts_paused", words, labels=["reason"])
        for reason in sorted(map(str, PAUSES)):
            family.add_metric([reason], self.figures.paused_by_reason.get(reason, 0))
        return family
