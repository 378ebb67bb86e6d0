"""The machine and the file system: memory, interrupts, arrays on disk, text for terminals."""
