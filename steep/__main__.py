"""How is Steep run without its command being on the path? `python -m steep`."""

from steep.cli import main

main()
