package order

import rego.v1

default allow := false

# Verify mTLS client is from allowed list
allow if {
    valid_mtls_client
    valid_user_token
    has_permission
}

valid_mtls_client if {
    input.mtls.verified == true
    input.mtls.subject.CN == "api-gateway-client"
}

valid_user_token if {
    input.token.sub != ""
    input.token.exp > time.now_ns() / 1000000000
}

has_permission if {
    input.request.method == "GET"
}

has_permission if {
    input.request.method == "POST"
    "orders:create" in input.token.realm_access.roles
}
