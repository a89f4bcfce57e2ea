"""The commands of `hil`, a file each; what a command needs is imported when it runs."""
