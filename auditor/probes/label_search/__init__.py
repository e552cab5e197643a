"""Search label by label for the least change that carries a label."""
