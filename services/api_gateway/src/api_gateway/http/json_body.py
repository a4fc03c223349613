"""JsonRoute under the name it had; see `routes`."""

from api_gateway.http.routes import JsonRoute

__all__ = ["JsonRoute"]
