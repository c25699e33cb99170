"""`simtandem worker`."""

from contextlib import ExitStack

from simtandem.prefect_server.prefect_settings import address_of_server, prepare_client
from simtandem.settings import load_home, prefect_api_url


def worker() -> None:
    """Run the flow runs that the Prefect server has for a worker, until Ctrl-C.

    The server is the one of PREFECT_API_URL, or the one of this home that `simtandem up` runs, which has a worker.
    """
    settings = load_home()
    prepare_client(settings, address_of_server(settings), own=prefect_api_url() is None)
    from simtandem.prefect_server.worker import own_name, start

    with ExitStack() as stack:
        if settings.metrics_port is not None:
            from simtandem.prefect_server.metrics import MetricsServer

            stack.enter_context(MetricsServer(settings))
        start(own_name())
