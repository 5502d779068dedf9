"""`python -m kernelbox.agent` serves the socket that is its standard input."""

from kernelbox.agent.agent import main

main()
