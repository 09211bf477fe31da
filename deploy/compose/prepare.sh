#!/bin/sh
# Makes what the containers are given as files: certificates, trusted CAs, passwords. Run it once, from the repository's root.
# What is there already stays. For development: the CA keys lie beside the certificates, and no container gets those.
set -eu
cd "$(dirname "$0")/../.."
made=deploy/compose/made
umask 077
mkdir -p "$made/trust" "$made/secrets"
.venv/bin/authz-dev certs "$made/certs"
cp "$made"/certs/ca/*-ca.crt "$made/trust/"
secret() { [ -s "$made/secrets/$1" ] || printf %s "$2" > "$made/secrets/$1"; }
# The realm files of the example say these two; change both together.
secret order-service order-service-secret
secret payment-service payment-service-secret
secret postgres "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
secret keycloak-admin "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
# The containers run as the owner of these files, who is not root.
uid=$(id -u); gid=$(id -g)
if [ "$uid" = 0 ]; then uid=65532; gid=65532; chown -R "$uid:$gid" "$made"; fi
chmod 644 "$made/secrets/postgres"  # for PostgreSQL's own user; the folder keeps others out
printf 'COMPOSE_PROJECT_NAME=three-zones\nRUN_AS=%s:%s\nRUN_AS_UID=%s\n' "$uid" "$gid" "$uid" > deploy/compose/.env
echo "$made is complete; now: docker compose -f deploy/compose/compose.yaml up --build --wait"
