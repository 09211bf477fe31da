package edge

default allow := false

allow if {
	input.token.sub != ""
	input.request.segments[0] == "shop"
}
