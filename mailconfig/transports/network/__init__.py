"""The gate, TLS and deadlines: the only place that opens sockets."""
