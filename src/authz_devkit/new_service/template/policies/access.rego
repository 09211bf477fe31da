# Who may do what. What `input` holds: docs/policies.md of authz-service. A change acts at once; `authz test policies` tries it.
package access

import rego.v1

default allow := false

allow if {
	# authz-lint: ignore AZ308 a reader may read all of this service; with more, compare input.request.segments, too
	input.request.method in {"GET", "HEAD"}
	"reader" in input.token.realm_access.roles
}

allow if "writer" in input.token.realm_access.roles
