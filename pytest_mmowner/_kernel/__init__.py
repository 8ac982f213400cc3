"""The kernel's own C: found, cut out and read, from a tree, a revision or a patch."""
