"""Files that are dropped into a folder or a bucket: each is taken once, applied when it is due, and put away."""
