"""``python -m circus_cli``: the command ``circus``; how its MPI ranks are started."""

from circus_cli.main import run

if __name__ == "__main__":
    run()
