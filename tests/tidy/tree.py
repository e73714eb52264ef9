"""The files that tidy looks at: what would be committed, as paths relative to the root."""

import os

from c_source import Source

SKIPPED_FOLDERS = {".git", "data", "corpus", "results", "__pycache__", "node_modules"}


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.sources = {}
        self.paths = sorted(self.walk())

    def walk(self):
        for folder, folders, files in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            folders[:] = [
                name
                for name in folders
                if name not in SKIPPED_FOLDERS and not (here == "." and name.startswith("build"))
            ]
            for name in files:
                if not name.endswith((".pyc", "~", ".swp")):
                    yield os.path.normpath(os.path.join(here, name))

    def ending(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes)]

    def c_files(self, *folders):
        """The .c and .h files, of the given top folders only when there are any."""
        files = self.ending(".c", ".h")
        return [path for path in files if not folders or path.split("/")[0] in folders]

    def scripts(self):
        """Shell scripts, which need no suffix: whatever begins with #! and names a shell."""
        return [
            path
            for path in self.paths
            if "." not in os.path.basename(path)
            and self.text(path).startswith(("#!/bin/bash", "#!/bin/sh"))
        ] + self.ending(".sh")

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = Source(self.text(path))
        return self.sources[path]
