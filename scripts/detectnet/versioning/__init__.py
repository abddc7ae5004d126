"""How the files of a run were made, in a form that travels with git and DVC to another clone."""
