package shop

default allow := false

allow if {
	input.mtls.subject.CN == "edge-client"
	input.request.method == "GET"
	input.request.segments[0] == "items"
}

allow if {
	input.mtls.subject.CN == "edge-client"
	input.request.method == "POST"
	input.request.segments == ["baskets"]
	"buyer" in input.token.realm_access.roles
}
