"""A correct mesh of any size, made of a rule: for figures and for the absence of false alarms.

Services stand in four zones, one behind the other. Users come in by the first; each service calls two of the next zone.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

import yaml

from authz_devkit.certs.tree import create_tree, own_file

ZONES = 4
ISSUER = "https://id.mesh.example/realms"


class Size(NamedTuple):
    services: int = 100
    routes: int = 1000  # in all
    users: int = 100  # each with another set of roles; every service but those of the last zone is a principal, too


class _Service(NamedTuple):
    name: str
    zone: int
    routes: int
    calls: tuple[str, ...]
    callers: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"https://{_host(self.name, self.zone)}:8443"


def generate_mesh(folder: Path, size: Size = Size(), *, certificates: bool = True) -> Path:  # noqa: B008 - immutable
    services = _services(size)
    for service in services.values():
        _write(folder / service.name / "config.yaml", yaml.safe_dump(_config(service, services), sort_keys=False))
        _write(folder / service.name / "policies" / "policy.rego", _policy(service))
    _write(folder / "realms" / "users-realm.json", json.dumps(_users(services, size), indent=1))
    _write(folder / "realms" / "machines-realm.json", json.dumps(_machines(services), indent=1))
    _write(folder / "mesh.yaml", 'files: {/etc/certs: certs, /etc/authz/policies: "{service}/policies"}\n')
    if certificates:
        certs = folder / "certs"
        certs.mkdir(mode=0o700)
        own_file(certs).write_text(json.dumps(list(_places(services))))
        create_tree(certs, now=datetime.now(UTC))
    return folder


def _services(size: Size) -> dict[str, _Service]:
    zones: list[list[str]] = [[] for _ in range(ZONES)]
    for number in range(size.services):
        zones[number * ZONES // size.services].append(f"s{number:03d}")
    calls = {
        name: tuple(dict.fromkeys(zones[zone + 1][(place + step) % len(zones[zone + 1])] for step in (0, 1)))
        if zone + 1 < ZONES
        else ()
        for zone, names in enumerate(zones)
        for place, name in enumerate(names)
    }
    names = [name for zone in zones for name in zone]
    return {
        name: _Service(
            name,
            zone,
            size.routes // size.services,
            calls[name],
            tuple(caller for caller in names if name in calls[caller]),
        )
        for zone, members in enumerate(zones)
        for name in members
    }


def _host(name: str, zone: int) -> str:
    return f"{name}.zone{zone}.example"


def _config(service: _Service, services: dict[str, _Service]) -> dict[str, object]:
    own = f"/etc/certs/{service.name}"
    tls: dict[str, object] = {"cert_file": f"{own}/server.crt", "key_file": f"{own}/server.key"}
    realm = "users" if service.zone == 0 else "machines"
    proxy: dict[str, object] = {
        "authz": {"policy_query": f"data.{service.name}.allow"},
        "routes": [{"path": f"/things-{number}/**", "methods": ["GET", "POST"]} for number in range(service.routes)],
        "headers": {"pass_token": False},
    }
    if service.zone:
        tls |= {"client_ca_file": f"/etc/certs/ca/zone{service.zone}-ca.crt", "client_auth": "require"}
        proxy["mtls"] = {"allowed_clients": [f"CN={caller}-client,O=MyOrg" for caller in service.callers]}
    jwt = {"issuer": f"{ISSUER}/{realm}", "audience": service.name, "service_tokens": "all"}
    config: dict[str, object] = {
        "service": {"name": service.name, "zone": f"zone{service.zone}"},
        "http": {"tls": tls},
        "jwt": jwt if service.zone else {**jwt, "service_tokens": "auto"},
        "proxy": proxy,
    }
    if service.calls:
        config["egress"] = {
            "targets": {name: _target(service, services[name]) for name in service.calls},
            "routes": [
                {"path_prefix": f"/{name}", "target": name, "strip_prefix": f"/{name}"} for name in service.calls
            ],
        }
    return {**config, "policy": {"path": "/etc/authz/policies"}}


def _target(service: _Service, target: _Service) -> dict[str, object]:
    client = f"/etc/certs/{service.name}/client-zone{target.zone}"
    return {
        "url": target.url,
        "auth": {
            "type": "oauth2_client_credentials",
            "token_url": f"{ISSUER}/machines/protocol/openid-connect/token",
            "client_id": service.name,
            "client_secret": "${SECRET_OF_" + service.name.upper() + "}",
            "scopes": [f"{target.name}:call"],
        },
        "tls": {
            "client_cert": f"{client}.crt",
            "client_key": f"{client}.key",
            "ca_cert": f"/etc/certs/ca/zone{target.zone}-ca.crt",
        },
    }


def _policy(service: _Service) -> str:
    rules = [f"package {service.name}\n\ndefault allow := false\n"]
    for number in range(service.routes):
        where = f'\tinput.request.segments[0] == "things-{number}"\n'
        if service.zone == 0:
            rules.append(
                f'allow if {{\n\tinput.request.method == "GET"\n{where}\tsome_role("{service.name}:read")\n}}\n'
            )
            rules.append(
                f'allow if {{\n\tinput.request.method == "POST"\n{where}\tsome_role("{service.name}:write")\n}}\n'
            )
        else:
            caller = service.callers[number % len(service.callers)]
            rules.append(f'allow if {{\n\tinput.token.azp == "{caller}"\n{where}}}\n')
    if service.zone == 0:
        rules.append("some_role(name) if name in input.token.realm_access.roles\n")
    return "\n".join(rules)


def _users(services: dict[str, _Service], size: Size) -> dict[str, object]:
    doors = [service.name for service in services.values() if service.zone == 0]
    roles = [f"{name}:{what}" for name in doors for what in ("read", "write")]
    users = [
        {
            "username": f"user{number:03d}",
            "email": f"user{number:03d}@mesh.example",
            "enabled": True,
            "realmRoles": held,
        }
        for number, held in enumerate(islice(combinations(roles, 2), size.users))
    ]
    app = {
        "clientId": "app",
        "publicClient": True,
        "directAccessGrantsEnabled": True,
        "protocolMappers": [_audience(name) for name in doors],
    }
    return {"realm": "users", "roles": {"realm": [{"name": role} for role in roles]}, "clients": [app], "users": users}


def _machines(services: dict[str, _Service]) -> dict[str, object]:
    sub = {"name": "sub", "protocolMapper": "oidc-sub-mapper", "config": {"access.token.claim": "true"}}
    scopes = [
        {"name": "basic", "attributes": {"include.in.token.scope": "false"}, "protocolMappers": [sub]},
        *({"name": f"{s.name}:call", "protocolMappers": [_audience(s.name)]} for s in services.values() if s.zone),
    ]
    clients = [
        {
            "clientId": service.name,
            "secret": f"{service.name}-secret",
            "serviceAccountsEnabled": True,
            "defaultClientScopes": ["basic"],
            "optionalClientScopes": [f"{name}:call" for name in service.calls],
        }
        for service in services.values()
        if service.calls
    ]
    return {"realm": "machines", "clientScopes": scopes, "clients": clients}


def _audience(name: str) -> dict[str, object]:
    config = {"included.custom.audience": name, "access.token.claim": "true"}
    return {"name": f"audience {name}", "protocolMapper": "oidc-audience-mapper", "config": config}


def _places(services: dict[str, _Service]) -> Iterator[dict[str, str]]:
    for service in services.values():
        zone = f"zone{service.zone}"
        yield {"name": f"{service.name}/server", "authority": zone, "host": _host(service.name, service.zone)}
        if service.calls:
            target = f"zone{service.zone + 1}"
            yield {
                "name": f"{service.name}/client-{target}",
                "authority": target,
                "service": service.name,
                "zone": zone,
            }


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
