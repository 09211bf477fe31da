# Readers read, writers write, and a monitor asks for health without a token.
package notes

default allow := false

allow if {
	input.request.method == "GET"
	input.request.segments == ["health"]
}

allow if {
	input.request.method == "GET"
	input.request.segments[0] == "notes"
	some role in input.token.realm_access.roles
	role in ["reader", "writer"]
}

allow if {
	input.request.method in ["POST", "DELETE"]
	input.request.segments[0] == "notes"
	"writer" in input.token.realm_access.roles
}
