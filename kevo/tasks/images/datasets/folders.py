"""A tree of folders, on disk or in an archive."""

from __future__ import annotations

from dataclasses import dataclass, field

from kevo.tasks.images.datasets.pictures import File


@dataclass(slots=True, eq=False)
class Folder:
    """A folder of a tree.

    Args:
        path: Its path in the tree, with a slash at the end.
        folders: The folders in it, by name.
        files: The files in it, by name.
    """

    path: str = ""
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)

    def folder(self, name: str) -> Folder:
        """The subfolder of this name, made where it is missing."""
        return self.folders.setdefault(name, Folder(f"{self.path}{name}/"))

    def all_files(self) -> list[File]:
        """The files at any depth."""
        files: list[File] = []
        folders = [self]
        while folders:
            folder = folders.pop()
            files += folder.files.values()
            folders += folder.folders.values()
        return files
