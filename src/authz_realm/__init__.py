"""Keycloak's realm files, and what its tokens would say: for the development provider, and for whoever reads a mesh.

It knows nothing of HTTP, keys or sidecars.
"""
