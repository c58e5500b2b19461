"""Templates: versioned, by locale, rendered in a sandbox, in the formats and lengths of channels."""
