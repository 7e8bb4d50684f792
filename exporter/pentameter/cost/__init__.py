"""What a server costs: prices, owned hardware, and how they add up. Pure."""
