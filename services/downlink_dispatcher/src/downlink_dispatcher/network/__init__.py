"""The network server: how downlinks are handed to it, and what it is asked."""

import os

# gRPC's core writes plain lines of its own among our JSON logs; it reads this once, when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
