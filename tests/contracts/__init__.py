"""Every Protocol over all its implementations."""
