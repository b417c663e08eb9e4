"""`python -m cli` is the command `phoserve`."""

from cli.main import main

main()
