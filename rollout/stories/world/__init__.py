"""What is around a controller: clocks, proxies, exporters, Prometheus, an API server, a store."""
