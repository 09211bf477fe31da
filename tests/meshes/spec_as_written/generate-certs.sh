#!/bin/bash
# generate-certs.sh

# Zone CAs
for zone in zone1 zone2 zone3; do
  openssl genrsa -out ca/${zone}-ca.key 4096
  openssl req -x509 -new -nodes -key ca/${zone}-ca.key \
    -sha256 -days 365 -out ca/${zone}-ca.crt \
    -subj "/CN=${zone}-CA/O=MyOrg"
done

# Server + Client certs for each service
generate_certs() {
  local service=$1
  local zone_ca=$2
  local cn=$3

  # Server cert
  openssl genrsa -out ${service}/server.key 2048
  openssl req -new -key ${service}/server.key \
    -out ${service}/server.csr \
    -subj "/CN=${cn}/O=MyOrg"
  openssl x509 -req -in ${service}/server.csr \
    -CA ca/${zone_ca}-ca.crt -CAkey ca/${zone_ca}-ca.key \
    -CAcreateserial -out ${service}/server.crt -days 365

  # Client cert (for outgoing calls)
  if [ "$4" != "" ]; then
    local client_zone=$4
    openssl genrsa -out ${service}/client-${client_zone}.key 2048
    openssl req -new -key ${service}/client-${client_zone}.key \
      -out ${service}/client-${client_zone}.csr \
      -subj "/CN=${cn}-client/O=MyOrg"
    openssl x509 -req -in ${service}/client-${client_zone}.csr \
      -CA ca/${client_zone}-ca.crt -CAkey ca/${client_zone}-ca.key \
      -CAcreateserial -out ${service}/client-${client_zone}.crt -days 365
  fi
}

generate_certs "gateway" "zone1" "api-gateway.zone1.local" "zone2"
generate_certs "order-service" "zone2" "order-service.zone2.local" "zone3"
generate_certs "payment-service" "zone2" "payment-service.zone2.local" "zone3"
generate_certs "data-service" "zone3" "data-service.zone3.local"
