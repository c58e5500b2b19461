"""The Centrifuge protocol: messages, codes, codecs, deltas."""
