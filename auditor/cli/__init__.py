"""The command line: options, a workflow, an exit code."""
