"""End-to-end tests: a real vLLM on CPU, a real Prometheus, and Pentameter between them."""
