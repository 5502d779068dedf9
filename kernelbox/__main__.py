"""`python -m kernelbox` is `kernelbox`."""

from kernelbox.cli import main

main()
