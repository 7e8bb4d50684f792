"""What changes in the cost, the energy and the carbon of a token, and by what cause: pure, time is handed in."""
