package dataservice

import rego.v1

default allow := false

result := {
    "allow": allow,
    "reasons": reasons,
    "audit": {
        "service": input.mtls.subject.CN,
        "user_context": input.headers["X-User-Context"],
        "correlation_id": input.headers["X-Correlation-ID"],
        "action": input.request.method,
        "resource": input.request.path,
    }
}

# Verify mTLS + Service JWT
allow if {
    valid_mtls_client
    valid_service_token
    has_service_permission
}

reasons contains "valid mTLS client" if valid_mtls_client
reasons contains "valid service token" if valid_service_token
reasons contains reason if {
    has_service_permission
    reason := sprintf("service %s has permission %s", [service_name, required_permission])
}

# mTLS validation
valid_mtls_client if {
    input.mtls.verified == true
    allowed_services[input.mtls.subject.CN]
}

allowed_services := {
    "order-service-client": true,
    "payment-service-client": true,
}

# Service token validation
valid_service_token if {
    input.token.azp != ""  # Authorized party (client_id)
    input.token.exp > time.now_ns() / 1000000000
}

service_name := input.token.azp

# Permission check based on service and action
has_service_permission if {
    required_permission := get_required_permission
    required_permission in service_permissions[service_name]
}

get_required_permission := "read-inventory" if {
    input.request.method == "GET"
    startswith(input.request.path, "/inventory")
}

get_required_permission := "write-orders" if {
    input.request.method == "POST"
    startswith(input.request.path, "/orders")
}

get_required_permission := "read-orders" if {
    input.request.method == "GET"
    startswith(input.request.path, "/orders")
}

get_required_permission := "write-payments" if {
    input.request.method == "POST"
    startswith(input.request.path, "/payments")
}

# Service permissions matrix
service_permissions := {
    "order-service": ["read-inventory", "write-orders", "read-orders"],
    "payment-service": ["read-orders", "write-payments"],
}
