"""What goes over the wire, one module per group of routes."""
