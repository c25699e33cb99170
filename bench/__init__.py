"""What is measured, and how to measure it again: `python -m bench`. Linux only.

This side starts processes, times them and writes `bench/README.md`. It imports nothing large: a child begins with its
parent's pages, and the kernel counts them in the child's peak memory. What is measured runs in `bench.programs`, or is
`simtandem` itself.
"""
