"""The Open Inference Protocol (V2), over HTTP and gRPC."""
