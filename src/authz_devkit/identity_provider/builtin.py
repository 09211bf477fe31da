"""The client scopes that Keycloak makes by itself in a realm whose file names none (those that we serve)."""

_TOKEN = {"access.token.claim": "true"}

BUILTIN_DEFAULTS = ("profile", "email", "roles", "web-origins", "acr", "basic")


def _attribute(attribute: str, claim: str, kind: str = "String") -> dict[str, object]:
    config = {"user.attribute": attribute, "claim.name": claim, "jsonType.label": kind, **_TOKEN}
    return {"name": claim, "protocolMapper": "oidc-usermodel-attribute-mapper", "config": config}


def _note(note: str) -> dict[str, object]:
    config = {"user.session.note": note, "claim.name": note, "jsonType.label": "String", **_TOKEN}
    return {"name": note, "protocolMapper": "oidc-usersessionmodel-note-mapper", "config": config}


def _mapper(kind: str, claim: str = "") -> dict[str, object]:
    return {"name": kind, "protocolMapper": kind, "config": {"claim.name": claim, **_TOKEN}}


def _scope(name: str, *mappers: dict[str, object], in_token: bool = False) -> dict[str, object]:
    attributes = {"include.in.token.scope": str(in_token).lower()}
    return {"name": name, "attributes": attributes, "protocolMappers": mappers}


BUILTIN_SCOPES = (
    _scope("basic", _mapper("oidc-sub-mapper")),
    _scope("acr", _mapper("oidc-acr-mapper")),
    _scope(
        "roles",
        _mapper("oidc-usermodel-realm-role-mapper", "realm_access.roles"),
        _mapper("oidc-usermodel-client-role-mapper", "resource_access.${client_id}.roles"),
        _mapper("oidc-audience-resolve-mapper"),
    ),
    _scope(
        "profile",
        _mapper("oidc-full-name-mapper"),
        _attribute("username", "preferred_username"),
        _attribute("firstName", "given_name"),
        _attribute("lastName", "family_name"),
        in_token=True,
    ),
    _scope(
        "email", _attribute("email", "email"), _attribute("emailVerified", "email_verified", "boolean"), in_token=True
    ),
    _scope("web-origins", _mapper("oidc-allowed-origins-mapper")),
    _scope("service_account", _note("client_id"), _note("clientHost"), _note("clientAddress")),
)
