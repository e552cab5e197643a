"""The demo: two real models behind a real HTTP endpoint on loopback."""
