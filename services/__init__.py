"""The gRPC servers: how the engine is asked for."""
