package cart

default allow := false

allow if {
	"spiffe://mesh/front/web" in input.mtls.san.uri
	input.request.segments[0] == "cart"
	input.request.method in ["GET", "POST"]
}
