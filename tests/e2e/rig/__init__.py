"""What the end-to-end tests are made of: servers to start, a load client, and the installer of both."""
