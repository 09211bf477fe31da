"""`python -m authz_devkit.demo.services order|payment|data`: one demo service as a plain process."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

import uvicorn
from starlette.applications import Starlette

from authz_devkit.demo.services import data, order, payment
from authz_devkit.demo.services.data_client import DataClient
from authz_devkit.demo.services.request_log import RequestLog
from authz_devkit.demo.services.store import Store, open_engine

DEFAULT_DATABASE = "sqlite+aiosqlite:///data-service.db"
DEFAULT_EGRESS = "http://localhost:8080"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m authz_devkit.demo.services", description=__doc__)
    parser.add_argument("service", choices=("order", "payment", "data"))
    parser.add_argument("--listen", default="127.0.0.1:9000", metavar="HOST:PORT")
    parser.add_argument(
        "--prefix", default="", help="data only, to run without sidecars: the egress's path prefix, /data"
    )
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    app = build(options.service, os.environ, prefix=options.prefix)
    uvicorn.run(
        RequestLog(app, f"{options.service}-service"),
        host=host.strip("[]"),
        port=int(port),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def build(service: str, environment: Mapping[str, str], *, prefix: str = "") -> Starlette:
    if service == "data":
        return data.build_app(Store(open_engine(environment.get("DATABASE_URL", DEFAULT_DATABASE))), prefix=prefix)
    client = DataClient(environment.get("EGRESS_URL", DEFAULT_EGRESS))
    return order.build_app(client) if service == "order" else payment.build_app(client)


if __name__ == "__main__":
    main()
