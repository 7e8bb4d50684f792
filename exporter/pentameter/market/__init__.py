"""What the same traffic would cost at commercial APIs, and at what traffic a server of one's own pays. Pure."""
