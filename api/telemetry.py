"""The API's own counters, in the text format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Telemetry:
    """Counters of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "execmon_api_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "execmon_api_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.streams = Gauge(
            "execmon_api_websocket_clients", "Open WebSockets.", registry=self.registry
        )
        self.sent = Counter(
            "execmon_api_websocket_updates",
            "Updates sent to WebSocket clients.",
            registry=self.registry,
        )
        self.skipped = Counter(
            "execmon_api_websocket_conflated",
            "Updates that slow clients did not get because a newer one followed.",
            registry=self.registry,
        )
        self.data_age = Gauge(
            "execmon_api_data_age_seconds",
            "Age of the newest update in the status store.",
            registry=self.registry,
        )
        self.audit_waiting = Gauge(
            "execmon_api_audit_waiting", "Audit lines not stored yet.", registry=self.registry
        )
        self.audit_dropped = Gauge(
            "execmon_api_audit_dropped",
            "Audit lines lost because the history store was away too long.",
            registry=self.registry,
        )

        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        """A request was answered."""
        key = (method, route, status)
        known = self._answered.get(key)
        if known is None:
            counter = self.requests.labels(method, route, status)
            known = self._answered[key] = (counter, self.seconds.labels(route))
        known[0].inc()
        known[1].observe(took_s)

    def text(self) -> bytes:
        """Everything as it stands."""
        return generate_latest(self.registry)
