"""The parts of a benchmark that are no tests are not collected: they need libraries that only the benchmark has."""

collect_ignore_glob = ["capacity_*.py"]
