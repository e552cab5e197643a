"""One audit beside another, and beside what somebody decided to live with."""
