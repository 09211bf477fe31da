# The demo services of examples/three_zones, and the development kit. Never for production.
#   docker build -f deploy/compose/demo.Dockerfile -t authz-demo .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
RUN python3 -m venv /opt/demo
COPY requirements/devkit.txt /build/
RUN /opt/demo/bin/pip install --no-cache-dir --require-hashes --no-deps -r /build/devkit.txt

FROM ${BASE}
COPY --from=build /opt/demo /opt/demo
COPY src/authz_devkit/ /opt/demo/src/authz_devkit/
COPY src/authz_realm/ /opt/demo/src/authz_realm/
ENV PATH=/opt/demo/bin:$PATH PYTHONPATH=/opt/demo/src PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python", "-m"]
CMD ["authz_devkit.cli", "--help"]
