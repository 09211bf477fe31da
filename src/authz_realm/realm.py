"""A realm as Keycloak's import file tells it: reading the files, and saying what is wrong with them.

Fields that nobody here has a use for are ignored, as Keycloak's format has hundreds. It makes no claims (`claims`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct, json, structs

from authz_realm.builtin import BUILTIN_DEFAULTS, BUILTIN_SCOPES, default_roles

SIGNATURE_ALGORITHMS = ("RS256", "ES256")
_PROOFS = BY_SECRET, BY_SIGNED_JWT, BY_CERTIFICATE = "client-secret", "client-jwt", "client-x509"


class RealmProblems(Exception):  # noqa: N818 - a list of problems, like the product's own
    """The realm files cannot be used; one line per problem, with file and path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Mapper(Struct, frozen=True, rename="camel"):
    """Puts one claim, or an audience, into a token."""

    name: str
    protocol_mapper: str
    config: dict[str, str] = {}


class ClientScope(Struct, frozen=True, rename="camel"):
    name: str
    attributes: dict[str, str] = {}
    protocol_mappers: tuple[Mapper, ...] = ()

    @property
    def is_in_token(self) -> bool:
        return self.attributes.get("include.in.token.scope", "true") == "true"


class Client(Struct, frozen=True, rename="camel"):
    client_id: str
    enabled: bool = True
    client_authenticator_type: str = BY_SECRET
    secret: str | None = None
    public_client: bool = False
    bearer_only: bool = False
    direct_access_grants_enabled: bool = False
    standard_flow_enabled: bool = True
    service_accounts_enabled: bool = False
    full_scope_allowed: bool = True
    web_origins: tuple[str, ...] = ()
    default_client_scopes: tuple[str, ...] | None = None
    optional_client_scopes: tuple[str, ...] | None = None
    protocol_mappers: tuple[Mapper, ...] = ()
    attributes: dict[str, str] = {}


class Credential(Struct, frozen=True, rename="camel"):
    type: str = "password"
    value: str | None = None


class User(Struct, frozen=True, rename="camel"):
    username: str
    id: str = ""
    enabled: bool = True
    email: str | None = None
    email_verified: bool = False
    first_name: str | None = None
    last_name: str | None = None
    attributes: dict[str, tuple[str, ...]] = {}
    credentials: tuple[Credential, ...] = ()
    realm_roles: tuple[str, ...] = ()
    client_roles: dict[str, tuple[str, ...]] = {}
    service_account_client_id: str | None = None

    @property
    def password(self) -> str | None:
        return next((credential.value for credential in self.credentials if credential.type == "password"), None)


class Composites(Struct, frozen=True, rename="camel"):
    realm: tuple[str, ...] = ()
    client: dict[str, tuple[str, ...]] = {}


class Role(Struct, frozen=True, rename="camel"):
    name: str
    composites: Composites = Composites()


class Roles(Struct, frozen=True, rename="camel"):
    realm: tuple[Role, ...] = ()
    client: dict[str, tuple[Role, ...]] = {}


class ScopeMapping(Struct, frozen=True, rename="camel"):
    """Roles that a client, or a client scope, lets into a token (when the client's full scope is not allowed)."""

    roles: tuple[str, ...] = ()
    client: str | None = None
    client_scope: str | None = None


class Realm(Struct, frozen=True, rename="camel"):
    """One realm. `load_realms` gives it whole: each user has an id, each client its scopes, each account its user."""

    realm: str
    enabled: bool = True
    access_token_lifespan: int = 300
    sso_session_idle_timeout: int = 1800
    default_signature_algorithm: str = "RS256"
    roles: Roles = Roles()
    client_scopes: tuple[ClientScope, ...] = ()
    default_default_client_scopes: tuple[str, ...] | None = None
    default_optional_client_scopes: tuple[str, ...] | None = None
    clients: tuple[Client, ...] = ()
    users: tuple[User, ...] = ()
    scope_mappings: tuple[ScopeMapping, ...] = ()
    client_scope_mappings: dict[str, tuple[ScopeMapping, ...]] = {}

    def find_client(self, client_id: str) -> Client | None:
        return next((client for client in self.clients if client.client_id == client_id), None)

    def find_user(self, name: str) -> User | None:
        """By username or e-mail, without regard to case, as Keycloak does; never a service account."""
        wanted = name.lower()
        people = (user for user in self.users if user.service_account_client_id is None)
        return next((user for user in people if wanted in (user.username.lower(), (user.email or "").lower())), None)

    def find_user_by_id(self, user_id: str) -> User | None:
        return next((user for user in self.users if user.id == user_id), None)

    def find_service_account(self, client: Client) -> User | None:
        return next((user for user in self.users if user.service_account_client_id == client.client_id), None)

    def find_scope(self, name: str) -> ClientScope | None:
        return next((scope for scope in self.client_scopes if scope.name == name), None)


def load_realms(folder: Path) -> dict[str, Realm]:
    """Every `*.json` of the folder. Raises RealmProblems with everything that is wrong in any of them."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise RealmProblems([f"{folder}: no realm file (*.json) here"])
    return read_realms((str(file), file.read_bytes) for file in files)


def read_realms(files: Iterable[tuple[str, Callable[[], bytes]]]) -> dict[str, Realm]:
    """Realms by name, of texts that have a name for problems. Raises RealmProblems."""
    realms: dict[str, Realm] = {}
    problems: list[str] = []
    for file, read in files:
        try:
            realm = parse_realm(read())
        except (OSError, ValueError) as problem:
            problems.append(f"{file}: {problem}")
            continue
        problems += [f"{file}: {problem}" for problem in realm_problems(realm)]
        if realm.realm in realms:
            problems.append(f"{file}: realm: a second realm `{realm.realm}`")
        realms[realm.realm] = realm
    if problems:
        raise RealmProblems(problems)
    return realms


def parse_realm(text: bytes) -> Realm:
    """The realm, with what Keycloak fills in by itself at an import. Raises ValueError for what is no realm file; what
    its parts lack of each other is not judged (`realm_problems`).
    """
    return _complete(json.decode(text, type=Realm))


def _complete(realm: Realm) -> Realm:
    scopes = realm.client_scopes or json.decode(json.encode(BUILTIN_SCOPES), type=tuple[ClientScope, ...])
    defaults = realm.default_default_client_scopes
    if defaults is None:
        defaults = () if realm.client_scopes else BUILTIN_DEFAULTS
    clients = tuple(
        _complete_client(client, defaults, realm.default_optional_client_scopes or ()) for client in realm.clients
    )
    accounts = {user.service_account_client_id for user in realm.users}
    users = [
        *realm.users,
        *(
            User(
                username=f"service-account-{client.client_id}",
                service_account_client_id=client.client_id,
                realm_roles=(f"default-roles-{realm.realm}",),
            )
            for client in clients
            if client.service_accounts_enabled and client.client_id not in accounts
        ),
    ]
    named = tuple(structs.replace(user, id=user.id or _stable_id(realm.realm, user.username)) for user in users)
    roles = _with_default_roles(realm)
    return structs.replace(realm, client_scopes=scopes, clients=clients, users=named, roles=roles)


def _with_default_roles(realm: Realm) -> Roles:
    """Those that Keycloak gives to everybody whom it makes itself; a user of the file has only what the file says."""
    names = {role.name for role in realm.roles.realm}
    ours = json.decode(json.encode(default_roles(realm.realm)), type=Roles)
    added = (role for role in ours.realm if role.name not in names)
    return Roles((*realm.roles.realm, *added), {**ours.client, **realm.roles.client})


def _complete_client(client: Client, defaults: tuple[str, ...], optional: tuple[str, ...]) -> Client:
    if client.default_client_scopes is not None or client.optional_client_scopes is not None:
        return structs.replace(
            client,
            default_client_scopes=client.default_client_scopes or (),
            optional_client_scopes=client.optional_client_scopes or (),
        )
    account = ("service_account",) if client.service_accounts_enabled and "service_account" not in defaults else ()
    return structs.replace(client, default_client_scopes=(*defaults, *account), optional_client_scopes=optional)


def _stable_id(realm: str, username: str) -> str:
    """Keycloak draws a new id at each import; here a restart keeps it."""
    return str(uuid5(NAMESPACE_URL, f"{realm}/{username}"))


def realm_problems(realm: Realm) -> Iterator[str]:
    """What its parts lack of each other: `place: what`."""
    if realm.default_signature_algorithm not in SIGNATURE_ALGORITHMS:
        algorithm = realm.default_signature_algorithm
        yield f"defaultSignatureAlgorithm: `{algorithm}` is not supported; use {' or '.join(SIGNATURE_ALGORITHMS)}"
    yield from _duplicates("clients", [client.client_id for client in realm.clients])
    yield from _duplicates("clientScopes", [scope.name for scope in realm.client_scopes])
    yield from _duplicates("users", [user.username for user in realm.users])
    yield from _duplicates("users", [user.id for user in realm.users])
    for client in realm.clients:
        yield from _client_problems(realm, client)
    realm_roles = {role.name for role in realm.roles.realm}
    client_roles = {client: {role.name for role in roles} for client, roles in realm.roles.client.items()}
    for user in realm.users:
        yield from _role_problems(f"users[{user.username}]", user, realm_roles, client_roles)
        account = user.service_account_client_id
        owner = realm.find_client(account) if account else None
        if account and not (owner and owner.service_accounts_enabled):
            yield f"users[{user.username}].serviceAccountClientId: no client `{account}` with serviceAccountsEnabled"


def _client_problems(realm: Realm, client: Client) -> Iterator[str]:
    at = f"clients[{client.client_id}]"
    if not (client.public_client or client.bearer_only):
        yield from _proof_problems(at, client)
    for name in (*(client.default_client_scopes or ()), *(client.optional_client_scopes or ())):
        if realm.find_scope(name) is None:
            yield f"{at}: the client scope `{name}` is not in clientScopes"


def _proof_problems(at: str, client: Client) -> Iterator[str]:
    known = client.attributes
    match client.client_authenticator_type:
        case "client-secret":
            if not client.secret:
                yield f"{at}.secret: is missing; a confidential client needs one"
        case "client-jwt":
            if not (known.get("use.jwks.string") == "true" and known.get("jwks.string")) and not known.get(
                "jwt.credential.public.key"
            ):
                yield f"{at}.attributes: no key; write use.jwks.string and jwks.string, or jwt.credential.public.key"
        case "client-x509":
            if not known.get("x509.subjectdn"):
                yield f"{at}.attributes: x509.subjectdn is missing; write the certificate's subject"
        case other:
            yield f"{at}.clientAuthenticatorType: `{other}` is not supported; use {', '.join(_PROOFS)}"


def _role_problems(at: str, user: User, realm_roles: set[str], client_roles: Mapping[str, set[str]]) -> Iterator[str]:
    for role in user.realm_roles:
        if role not in realm_roles:
            yield f"{at}.realmRoles: the realm has no role `{role}`"
    for client, roles in user.client_roles.items():
        for role in roles:
            if role not in client_roles.get(client, ()):
                yield f"{at}.clientRoles: the client `{client}` has no role `{role}`"


def _duplicates(at: str, names: list[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{at}: `{name}` is there twice"
