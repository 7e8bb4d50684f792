"""Carbon, pure: which grid a name means, its intensity, what hardware cost to make, the units that people ask for."""
