"""What each folder below src promises: per cent of lines and branches. A number is raised, and never lowered."""

FLOORS: dict[str, float] = {
    "authz_service/domain": 100,
    "authz_service/egress": 100,
    "authz_service/ext_authz": 100,
    "authz_service/identity": 100,
    "authz_service/ingress": 100,
    "authz_realm": 97,
    "authz_service/audit": 96,
    "authz_service/cli": 90,
    "authz_service/config": 98,
    "authz_service/control_plane": 90,
    "authz_service/credentials": 91,
    "authz_service/decision_point": 95,
    "authz_service/decision_worker": 92,
    "authz_service/envoy": 96,
    "authz_service/mesh": 92,
    "authz_service/policy": 95,
    "authz_service/trust": 98,
}

# What CI holds, whose sample leaves out the slowest files (the Makefile's COVERED_TOO).
SAMPLE: dict[str, float] = {
    "authz_service/cli": 87,
    "authz_service/control_plane": 85,
    "authz_service/decision_worker": 90,
}
