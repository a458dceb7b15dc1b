"""How fast this project is, and how far from what the hardware can do."""
