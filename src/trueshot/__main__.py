"""``python -m trueshot`` is the ``trueshot`` command."""

from trueshot.cli.main import main

main()
