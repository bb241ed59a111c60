"""The definition of every number the product shows, each written once."""
