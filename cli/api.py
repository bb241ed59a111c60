"""`execmon api`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import Terminated, say
from domain.errors import RecoveryError, ServerError

if TYPE_CHECKING:
    from api.config import ApiConfig
    from runtime.addresses import Servers
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None)


@app.command()
def api(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; as configured if absent.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one; as configured if absent.")
    ] = None,
    bus_url: Annotated[str | None, typer.Option(help="Bus; as configured if absent.")] = None,
    status_url: Annotated[
        str | None, typer.Option(help="Status store; as configured if absent.")
    ] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
    history_dir: Annotated[
        Path | None, typer.Option(help="Data of an embedded store; as configured if absent.")
    ] = None,
) -> None:
    """Serve the HTTP and WebSocket API and the page until SIGTERM or Ctrl-C.

    It prints its address when it is ready, and answers what was asked before it ends. On
    another address than this machine's own it needs a key or an identity provider.
    """
    import structlog

    from api.app import create_app
    from api.server import address_of, listen, serve
    from cli.servers import servers_of
    from runtime.logs import set_up_logs
    from runtime.settings import load_settings

    settings = load_settings(
        {"api_host": host, "api_port": port, "bus_url": bus_url, "status_url": status_url,
         "history_url": history_url,
         "history_dir": None if history_dir is None else str(history_dir)}
    )  # fmt: skip
    set_up_logs(settings.log_level, settings.log_format)
    servers = servers_of(settings)
    listener = listen(settings.api_host, settings.api_port)
    address = address_of(listener)

    def ready() -> None:
        typer.echo(address)
        structlog.get_logger("api").info("ready", address=address)

    with listener, history_store(settings) as history:
        config = config_of(settings, servers, history)
        ended_by = serve(create_app(config), config, listener, ready=ready)
    if ended_by is not None:
        raise Terminated if ended_by == SIGTERM else KeyboardInterrupt


@contextmanager
def history_store(settings: "Settings") -> Generator[str]:
    """Address of the history store; an embedded one is started and migrated where none runs.

    Live status needs none: where an embedded one cannot be had, that is said, and the
    address is empty.
    """
    from contextlib import ExitStack

    from cli.db import storage_settings
    from runtime.history_server import open_history
    from runtime.servers import EMBEDDED
    from sinks.history.migrate import migrate

    with ExitStack() as stack:
        url = ""
        try:
            url = stack.enter_context(open_history(settings.history_url, settings.history_dir))
            if settings.history_url == EMBEDDED:
                migrate(url, storage_settings(settings))
        except (ServerError, RecoveryError) as error:
            say(f"goes on without history: {error}")
        yield url


def config_of(settings: "Settings", servers: "Servers", history_url: str) -> "ApiConfig":
    """The API's part of the settings."""
    from api.config import ApiConfig, LimitConfig, TokenConfig
    from cli.version import product_version

    return ApiConfig(
        product_version=product_version(),
        status_url=servers.status_url,
        bus_url=servers.bus_url,
        bus_access=settings,
        history_url=history_url,
        host=settings.api_host,
        port=settings.api_port,
        cors_origins=settings.api_cors_origins,
        subscription_hosts=settings.subscription_hosts,
        key_refresh_s=settings.api_key_refresh_s,
        heartbeat_s=settings.api_heartbeat_s,
        feed_memory_bytes=round(settings.api_feed_memory_mb * (1 << 20)),
        stale_after_s=settings.api_stale_after_s,
        token=TokenConfig(
            jwks=settings.api_jwt_jwks,
            issuer=settings.api_jwt_issuer,
            audience=settings.api_jwt_audience,
            leeway_s=settings.api_jwt_leeway_s,
            name_claim=settings.api_jwt_name_claim,
            scopes_claim=settings.api_jwt_scopes_claim,
            desks_claim=settings.api_jwt_desks_claim,
        ),
        limits=LimitConfig(
            max_body_bytes=settings.api_max_body_bytes,
            max_connections=settings.api_max_connections,
            max_streams=settings.api_max_streams,
            header_timeout_s=settings.api_header_timeout_s,
            body_timeout_s=settings.api_body_timeout_s,
            idle_timeout_s=settings.api_idle_timeout_s,
            write_timeout_s=settings.api_write_timeout_s,
            reads_per_s=settings.api_reads_per_s,
            writes_per_s=settings.api_writes_per_s,
        ),
    )
