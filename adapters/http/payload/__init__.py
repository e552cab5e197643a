"""Bodies of requests and replies: arrays, images, paths and scores."""
