"""What Keycloak makes by itself in a realm: client scopes, if its file names none, and roles (those that we serve)."""

_TOKEN = {"access.token.claim": "true"}
_BOTH_TOKENS = {**_TOKEN, "id.token.claim": "true"}

BUILTIN_DEFAULTS = ("profile", "email", "roles", "web-origins", "acr", "basic")


def _attribute(attribute: str, claim: str, kind: str = "String") -> dict[str, object]:
    config = {"user.attribute": attribute, "claim.name": claim, "jsonType.label": kind, **_BOTH_TOKENS}
    return {"name": claim, "protocolMapper": "oidc-usermodel-attribute-mapper", "config": config}


def _note(note: str) -> dict[str, object]:
    config = {"user.session.note": note, "claim.name": note, "jsonType.label": "String", **_BOTH_TOKENS}
    return {"name": note, "protocolMapper": "oidc-usersessionmodel-note-mapper", "config": config}


def _mapper(kind: str, claim: str = "", tokens: dict[str, str] = _TOKEN) -> dict[str, object]:
    return {"name": kind, "protocolMapper": kind, "config": {"claim.name": claim, **tokens}}


def _scope(name: str, *mappers: dict[str, object], in_token: bool = False) -> dict[str, object]:
    attributes = {"include.in.token.scope": str(in_token).lower()}
    return {"name": name, "attributes": attributes, "protocolMappers": mappers}


BUILTIN_SCOPES = (
    _scope("basic", _mapper("oidc-sub-mapper")),
    _scope("acr", _mapper("oidc-acr-mapper", tokens=_BOTH_TOKENS)),
    _scope(
        "roles",
        _mapper("oidc-usermodel-realm-role-mapper", "realm_access.roles"),
        _mapper("oidc-usermodel-client-role-mapper", "resource_access.${client_id}.roles"),
        _mapper("oidc-audience-resolve-mapper"),
    ),
    _scope(
        "profile",
        _mapper("oidc-full-name-mapper", tokens=_BOTH_TOKENS),
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


def default_roles(realm: str) -> dict[str, object]:
    """In the form of a realm file: the default role of the realm and its parts."""
    parts = {
        "realm": ["offline_access", "uma_authorization"],
        "client": {"account": ["manage-account", "view-profile"]},
    }
    account = [
        {"name": "manage-account", "composites": {"client": {"account": ["manage-account-links"]}}},
        {"name": "manage-account-links"},
        {"name": "view-profile"},
    ]
    ours = [{"name": f"default-roles-{realm}", "composites": parts}, *({"name": name} for name in parts["realm"])]
    return {"realm": ours, "client": {"account": account}}
