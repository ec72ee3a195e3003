"""Task sources: seeded generators, one file a domain; `known` gathers them."""
